import type { ReactNode } from "react";

export type Tone = "good" | "warn" | "bad" | "info" | "quiet";
const TONES: Record<Tone, string> = {
  good: "bg-good-soft text-good", warn: "bg-warn-soft text-warn", bad: "bg-bad-soft text-bad", info: "bg-info-soft text-info",
  quiet: "bg-sunken text-muted",
};
const DOTS: Record<Tone, string> = { good: "bg-good", warn: "bg-warn", bad: "bg-bad", info: "bg-info", quiet: "bg-quiet" };

export function Badge({ tone = "quiet", dot = false, children, title }: { tone?: Tone; dot?: boolean; children: ReactNode; title?: string | undefined }) {
  return (
    <span title={title} className={`inline-flex items-center gap-1.5 whitespace-nowrap rounded-full px-2 py-px text-2xs font-semibold ${TONES[tone]}`}>
      {dot && <span className={`size-1.5 rounded-full ${DOTS[tone]}`} aria-hidden="true" />}
      {children}
    </span>
  );
}
export const Dot = ({ tone, className = "" }: { tone: Tone; className?: string }) =>
  <span className={`inline-block size-2 shrink-0 rounded-full ${DOTS[tone]} ${className}`} aria-hidden="true" />;

export const severityTone = (severity: string): Tone =>
  severity === "critical" ? "bad" : severity === "high" ? "warn" : severity === "medium" ? "info" : "quiet";
export const statusTone = (status: number): Tone => (status >= 500 || status === 0 ? "bad" : status >= 400 ? "warn" : status >= 300 ? "info" : "good");
/** By the words of states all over the API. */
export function stateTone(state: string): Tone {
  if (/^(ok|healthy|fresh|ready|in_step|confirmed|resolved|alive|hit)$/.test(state)) return "good";
  if (/^(degraded|stale|burning|pending|doubtful|starting|ejected|lapsed|waiting|draining|high)$/.test(state)) return "warn";
  if (/^(failing|unhealthy|exhausted|firing|away|down|gone|failed|critical|lost|refused)$/.test(state)) return "bad";
  return "quiet";
}
