import type { ComponentType } from "react";
import type { IconName } from "@/ui/icons";

interface Page { path: string; name: string; icon: IconName; group: "See" | "Steer" | "Run"; load: () => Promise<{ default: ComponentType }> }

/** Every page, each a script of its own. */
export const pages: Page[] = [
  { path: "/", name: "Overview", icon: "overview", group: "See", load: () => import("../pages/overview") },
];
