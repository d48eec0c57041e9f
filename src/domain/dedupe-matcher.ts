/** DedupeMatcher finds a task that a new one would repeat: of this kind, in one of these statuses, with equal values of these fields. */
export interface DedupeMatcher {
  readonly kind: string;
  /** Ascending; never empty. */
  readonly statuses: readonly number[];
  /** Sorted. */
  readonly fields: readonly string[];
}
