import type { ChangeNote } from "@peregrine/sdk";

const COLORS: Record<ChangeNote["kind"], string> = {
  start: "--good", reload: "--info", config: "--info", invalidation: "--stale", node: "--redis", upstream: "--origin", alert: "--bad",
};
export const changeColor = (kind: ChangeNote["kind"]): string => COLORS[kind] ?? "--quiet";
