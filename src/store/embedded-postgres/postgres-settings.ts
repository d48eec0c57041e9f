import os from "node:os";

const mebibyte = 1024 * 1024;

/**
 * postgresSettings is what the embedded PostgreSQL is started with, the caller's own settings last. It listens on the
 * loopback interface alone. Memory follows the machine's, or the container's where that is less: a sixteenth, from 64
 * to 512 MiB, is shared buffers. Many short transactions decide the rest: no JIT, few checkpoints. `durable: false`
 * gives up everything that a crash of the machine would need.
 */
export function postgresSettings(durable: boolean, own: Readonly<Record<string, string>>): Record<string, string> {
  const limit = process.constrainedMemory();
  const memoryMb = Math.floor(Math.min(os.totalmem(), limit > 0 ? limit : Number.POSITIVE_INFINITY) / mebibyte);
  const sharedMb = Math.max(64, Math.min(512, Math.floor(memoryMb / 16)));
  return {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "100",
    shared_buffers: `${sharedMb}MB`,
    effective_cache_size: `${Math.max(sharedMb, Math.floor(memoryMb / 2))}MB`,
    max_wal_size: "2GB",
    checkpoint_timeout: "15min",
    random_page_cost: "1.1",
    jit: "off",
    timezone: "UTC",
    log_timezone: "UTC",
    log_line_prefix: "%m [%p] ",
    log_checkpoints: "off",
    ...(durable ? { fsync: "on" } : { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
    ...own,
  };
}
