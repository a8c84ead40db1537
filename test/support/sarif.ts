const text = { type: 'string', minLength: 1 };
const closed = (properties: object, required: readonly string[]) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});
const level = { enum: ['none', 'note', 'warning', 'error'] };
const message = closed({ text, markdown: text }, ['text']);

/**
 * What SARIF 2.1.0 (OASIS, sections 3.13 to 3.52) says of the members that `lint --sarif` writes; a member that is not
 * written here is refused.
 */
export const sarifSchema = closed(
  {
    $schema: { type: 'string', format: 'uri' },
    version: { const: '2.1.0' },
    runs: {
      type: 'array',
      minItems: 1,
      items: closed(
        {
          tool: closed(
            {
              driver: closed(
                {
                  name: text,
                  version: text,
                  rules: {
                    type: 'array',
                    uniqueItems: true,
                    items: closed(
                      {
                        id: text,
                        shortDescription: message,
                        help: message,
                        defaultConfiguration: closed({ level }, ['level']),
                      },
                      ['id'],
                    ),
                  },
                },
                ['name'],
              ),
            },
            ['driver'],
          ),
          results: {
            type: 'array',
            items: closed(
              {
                ruleId: text,
                ruleIndex: { type: 'integer', minimum: -1 },
                level,
                message,
                locations: {
                  type: 'array',
                  items: closed(
                    {
                      physicalLocation: closed(
                        {
                          artifactLocation: closed({ uri: { type: 'string', format: 'uri-reference' } }, ['uri']),
                          region: closed({ startLine: { type: 'integer', minimum: 1 } }, ['startLine']),
                        },
                        ['artifactLocation'],
                      ),
                      logicalLocations: {
                        type: 'array',
                        uniqueItems: true,
                        items: closed({ fullyQualifiedName: { type: 'string' }, kind: text }, []),
                      },
                    },
                    [],
                  ),
                },
                partialFingerprints: { type: 'object', additionalProperties: { type: 'string' } },
                suppressions: {
                  type: 'array',
                  uniqueItems: true,
                  items: closed({ kind: { enum: ['inSource', 'external'] }, justification: text }, ['kind']),
                },
              },
              ['message'],
            ),
          },
        },
        ['tool'],
      ),
    },
  },
  ['version', 'runs'],
);
