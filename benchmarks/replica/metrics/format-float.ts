/** Python writes whole floats with a decimal point; readers of the text should meet the same. */
export function formatFloat(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
