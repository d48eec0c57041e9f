/**
 * The SDK of Millpond, a task-graph orchestrator: a client of every service, a builder of graphs, a
 * watch and logs that survive broken connections, and a worker. The messages of the contract are in
 * {@code io.millpond.v1}.
 */
package io.millpond.sdk;
