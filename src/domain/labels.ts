/** Whether a worker has the labels that a task requires. */
export function matchesLabels(
  labels: Readonly<Record<string, string>>,
  required: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(required).every(([name, value]) => labels[name] === value);
}
