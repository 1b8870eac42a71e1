export * from "./types.js";
export { Problem, type ProblemDetails } from "./problem.js";
export { SseParser, type StreamEvent } from "./sse.js";
export { follow, type Connection, type EventsOptions, type Subscription } from "./events.js";
export {
  createClient, type ClientOptions, type PerformanceClient, type HistoryQuery, type EntriesQuery, type TrafficQuery,
  type ExplainQuery, type AuditQuery, type NewApiKey,
} from "./client.js";
export { PerformanceMonitor, type MonitorOptions, type Snapshot } from "./monitor.js";
