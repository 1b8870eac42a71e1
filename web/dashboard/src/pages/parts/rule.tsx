import type { AlertRule, Problem, Severity } from "@peregrine/sdk";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { client } from "@/lib/api";
import { info, seriesNames, show } from "@/lib/series";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Toggle } from "@/ui/field";
import { Notice } from "@/ui/states";
import { toast } from "@/ui/toast";

export function condition(rule: Pick<AlertRule, "metric" | "above" | "below">): string {
  const name = info(rule.metric).label;
  const parts = [rule.above !== null ? `above ${show(rule.metric, rule.above)}` : "", rule.below !== null ? `below ${show(rule.metric, rule.below)}` : ""].filter(Boolean);
  return `${name} ${parts.join(" or ")}`;
}

const EMPTY: AlertRule = {
  name: "", metric: "latency_p95_ms", labels: {}, above: 1000, below: null, clear: null, for_s: 60, keep_firing_s: 60, severity: "high", min_events: 50,
  notify: [], enabled: true, default: false, missing: "keep", group: null, text: null, next_step: null,
};
const number = (text: string): number | null => (text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text));
const text = (value: number | null) => (value === null ? "" : String(value));

/** One rule, put back among all of them. */
export function RuleDialog({ rules, rule, onClose, again }: { rules: AlertRule[]; rule: AlertRule | null; onClose: () => void; again: () => void }) {
  const [draft, setDraft] = useState<AlertRule>(rule ?? EMPTY);
  const put = useMutation<unknown, Problem, AlertRule[]>({ mutationFn: (all) => client.putRules(all), onSuccess: () => { again(); toast("The rules hold."); onClose(); } });
  const set = (change: Partial<AlertRule>) => setDraft({ ...draft, ...change });
  const others = rules.filter((one) => one.name !== rule?.name);
  const fault = draft.name.trim() === "" ? "It needs a name." : others.some((one) => one.name === draft.name) ? "There is such a rule." : draft.above === null && draft.below === null ? "It needs a limit." : null;
  const field = (label: string, key: "above" | "below" | "clear" | "for_s" | "keep_firing_s" | "min_events", hint?: string) => (
    <Field label={label} hint={hint}>{(id) => <input id={id} className="field" inputMode="decimal" value={text(draft[key])} onChange={(event) => {
      const value = number(event.target.value);
      set({ [key]: key === "above" || key === "below" || key === "clear" ? value : value ?? 0 });
    }} />}</Field>
  );
  return (
    <Dialog wide title={rule ? `Rule ${rule.name}` : "New rule"} onClose={onClose} footer={<>
      {rule && !rule.default && <Button kind="danger" busy={put.isPending} onClick={() => put.mutate(others)}>Remove</Button>}
      <Button kind="primary" disabled={fault !== null} busy={put.isPending} onClick={() => put.mutate(rule ? rules.map((one) => (one.name === rule.name ? draft : one)) : [...rules, draft])}>Save</Button>
    </>}>
      <div className="grid gap-4 sm:grid-cols-3">
        <Field label="Name">{(id) => <input id={id} className="field" value={draft.name} disabled={rule !== null} onChange={(event) => set({ name: event.target.value })} />}</Field>
        <Field label="Metric" hint={info(draft.metric).about}>{(id) => (
          <select id={id} className="field" value={draft.metric} onChange={(event) => set({ metric: event.target.value })}>
            {[...new Set([...seriesNames, draft.metric])].map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
        )}</Field>
        <Field label="Route" hint="Empty: all of them together.">{(id) => <input id={id} className="field mono" value={draft.labels.route ?? ""} onChange={(event) => {
          const rest = Object.fromEntries(Object.entries(draft.labels).filter(([name]) => name !== "route"));
          set({ labels: event.target.value ? { ...rest, route: event.target.value } : rest });
        }} />}</Field>
        {field("Fires above", "above", `Now written as ${show(draft.metric, draft.above)}.`)}
        {field("Fires below", "below")}
        {field("Over again at", "clear", "Empty: at the limit itself.")}
        {field("For how many seconds", "for_s")}
        {field("Keeps firing for seconds", "keep_firing_s", "So that it does not flap.")}
        {field("At least so many events", "min_events")}
        <Field label="Severity">{(id) => (
          <select id={id} className="field" value={draft.severity} onChange={(event) => set({ severity: event.target.value as Severity })}>
            {["critical", "high", "medium", "low"].map((one) => <option key={one}>{one}</option>)}
          </select>
        )}</Field>
        <Field label="Tells" hint="Names of notifiers, with commas.">{(id) => <input id={id} className="field" value={draft.notify.join(", ")} onChange={(event) => set({ notify: event.target.value.split(",").map((one) => one.trim()).filter(Boolean) })} />}</Field>
        <div className="flex items-center pt-4"><Toggle label="It watches" checked={draft.enabled} onChange={(enabled) => set({ enabled })} /></div>
      </div>
      <div className="mt-4 flex flex-col gap-2">
        {fault && <p className="text-muted">{fault}</p>}
        <Notice problem={put.error} />
      </div>
    </Dialog>
  );
}
