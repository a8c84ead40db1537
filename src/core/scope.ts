/** The scope that a token needs to discover tools; like every scope it only narrows what the roles grant. */
export const discoverScope = 'tools:read';
/** The scope that a token needs to call tools. */
export const callScope = 'tools:execute';
