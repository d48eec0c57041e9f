package io.millpond.sdk;

/** Why a handler should stop. */
public enum AbortReason {
  /** The task was canceled, or its attempt has timed out. */
  CANCEL_REQUESTED,
  /** Another worker may have the attempt: its lease was not extended in time, or was taken away. */
  LEASE_LOST,
  /** The worker stops, and its grace is over. */
  WORKER_STOPPED
}
