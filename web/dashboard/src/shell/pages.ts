import type { ComponentType } from "react";
import type { IconName } from "@/ui/icons";

interface Page { path: string; name: string; icon: IconName; group: "See" | "Steer" | "Run"; load: () => Promise<{ default: ComponentType }> }

/** Every page, each a script of its own. */
export const pages: Page[] = [
  { path: "/", name: "Overview", icon: "overview", group: "See", load: () => import("../pages/overview") },
  { path: "/metrics", name: "Metrics", icon: "metrics", group: "See", load: () => import("../pages/metrics") },
  { path: "/traffic", name: "Traffic", icon: "traffic", group: "See", load: () => import("../pages/traffic") },
  { path: "/upstreams", name: "Upstreams", icon: "upstreams", group: "See", load: () => import("../pages/upstreams") },
  { path: "/nodes", name: "Nodes", icon: "nodes", group: "See", load: () => import("../pages/nodes") },
  { path: "/cache", name: "Cache", icon: "cache", group: "Steer", load: () => import("../pages/cache") },
  { path: "/alerts", name: "Alerts", icon: "alerts", group: "Steer", load: () => import("../pages/alerts") },
  { path: "/slos", name: "SLOs", icon: "slos", group: "Steer", load: () => import("../pages/slos") },
  { path: "/reports", name: "Reports", icon: "reports", group: "Steer", load: () => import("../pages/reports") },
  { path: "/optimization", name: "Optimization", icon: "optimization", group: "Steer", load: () => import("../pages/optimization") },
  { path: "/audit", name: "Audit", icon: "audit", group: "Run", load: () => import("../pages/audit") },
  { path: "/settings", name: "Settings", icon: "settings", group: "Run", load: () => import("../pages/settings") },
];
