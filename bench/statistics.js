export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median of some values, with the least and the greatest of them. */
export function summarize(values) {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}
