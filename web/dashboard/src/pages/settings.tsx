import type { ConfigReport, LogLevel, Parameter, Patched, Problem } from "@peregrine/sdk";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { client, useAsk, useMay } from "@/lib/api";
import { useParam } from "@/lib/url";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, PageHead } from "@/ui/card";
import { Dialog } from "@/ui/dialog";
import { Choice, Field, Search, Tabs } from "@/ui/field";
import { Answer, Empty, Notice } from "@/ui/states";
import { toast } from "@/ui/toast";
import { Prose } from "@/ui/prose";
import { Diff } from "./parts/diff";
import { ApiKeys } from "./parts/apikeys";

const LEVELS: LogLevel["level"][] = ["error", "warn", "info", "debug", "trace"];
const SHOWN = 120;

/** The configuration as it holds, with what each parameter means; keys for the API; the level of the log. */
export default function Settings() {
  const [view, setView] = useParam("view", "configuration");
  const queries = useQueryClient();
  const may = useMay("admin");
  const reload = useMutation<{ applied: string[]; needs_restart: string[] }, Problem>({
    mutationFn: () => client.reload(),
    onSuccess: (done) => {
      toast(done.applied.length === 0 ? "Read again; nothing had changed." : `Applied: ${done.applied.join(", ")}`);
      void queries.invalidateQueries({ queryKey: ["config"] });
    },
    onError: (problem) => toast(problem.message, "bad"),
  });
  return (
    <>
      <PageHead title="Settings" about="The configuration as it holds now, and where each value comes from. A change is checked first, shown as a difference of the file, and then written and applied."
        actions={<Button icon="refresh" busy={reload.isPending} disabled={!may} onClick={() => reload.mutate()}>Read the file again</Button>} />
      <Tabs label="Settings" value={view} onChange={setView} tabs={[["configuration", "Configuration"], ["keys", "API keys"], ["log", "Log"]]} />
      {view === "configuration" && <Configuration />}
      {view === "keys" && <ApiKeys />}
      {view === "log" && <Log />}
    </>
  );
}

function Configuration() {
  const answer = useAsk(["config"], (signal) => client.config(signal));
  const [find, setFind] = useParam("find");
  const [only, setOnly] = useParam("only");
  const [edited, setEdited] = useState<Parameter | null>(null);
  const [all, setAll] = useState(false);
  return (
    <Answer of={answer} lines={10}>
      {(config) => {
        const text = find.toLowerCase();
        const fitting = config.parameters.filter((one) => (only === "" || (only === "set" ? one.source !== "default" : one.reload)) && `${one.name} ${one.about}`.toLowerCase().includes(text));
        const shown = all ? fitting : fitting.slice(0, SHOWN);
        const groups = [...new Set(shown.map((one) => one.name.split(".")[0] ?? ""))];
        return (
          <>
            <div className="mb-3 flex flex-wrap items-center gap-2">
              <Search label="Find a parameter" value={find} onChange={setFind} className="w-full sm:w-72" />
              <Choice label="Which" value={only} onChange={setOnly} options={[["", "All parameters"], ["set", "Only what is set"], ["live", "Only what holds without a restart"]]} />
              <p className="text-muted sm:ml-auto">{config.file ? <><code className="mono">{config.file}</code>{config.writable ? "" : ", read only"}</> : "no file: only defaults"}</p>
            </div>
            {config.warnings.length > 0 && <ul className="mb-3 rounded-lg bg-warn-soft px-4 py-2 text-warn">{config.warnings.map((one) => <li key={one}><Prose text={one} /></li>)}</ul>}
            {fitting.length === 0 && <Card><Empty title="No parameter fits">Try a part of its name, such as ttl.</Empty></Card>}
            <div className="flex flex-col gap-2.5">
              {groups.map((group) => <Group key={group} name={group} rows={shown.filter((one) => (one.name.split(".")[0] ?? "") === group)} writable={config.writable} onEdit={setEdited} />)}
            </div>
            {fitting.length > shown.length && <div className="mt-3"><Button onClick={() => setAll(true)}>Show all {fitting.length}</Button></div>}
            {edited && <Edit config={config} of={edited} onClose={() => setEdited(null)} />}
          </>
        );
      }}
    </Answer>
  );
}

function Group({ name, rows, writable, onEdit }: { name: string; rows: Parameter[]; writable: boolean; onEdit: (one: Parameter) => void }) {
  const may = useMay("admin");
  return (
    <Card title={<span className="mono text-sm">{name}</span>}>
      <ul className="flex flex-col divide-y divide-line/70">
        {rows.map((one) => (
          <li key={one.name} className="grid items-center gap-x-4 gap-y-0.5 py-2 md:grid-cols-[minmax(0,17rem)_minmax(0,1fr)_minmax(8rem,14rem)_4rem]">
            <code className="mono font-medium break-all">{one.name.slice(name.length + 1) || one.name}</code>
            <p className="text-muted"><Prose text={one.about} />{!one.reload && <span className="text-faint"> Holds after a restart.</span>}</p>
            <p className="flex min-w-0 flex-wrap items-center gap-2 md:justify-end"><code className="mono max-w-full truncate font-semibold" title={one.text}>{one.secret ? "hidden" : written(one) || (one.value === null ? "not set" : "none")}</code>{one.source !== "default" && <Badge tone={one.source === "file" ? "info" : "warn"} title={one.default === null ? undefined : `Default: ${one.default}`}>{one.source}</Badge>}</p>
            <div className="md:text-right">{may && writable && !one.secret && one.kind !== "table" && <Button kind="ghost" aria-label={`Change ${one.name}`} onClick={() => onEdit(one)}>Change</Button>}</div>
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** What a text means for a parameter of this kind: a number, a flag, a list, or itself. */
export function typed(text: string, { kind, value }: Pick<Parameter, "kind" | "value">): unknown {
  if (kind === "flag" || typeof value === "boolean") return text === "true";
  if ((kind === "integer" || kind === "number" || typeof value === "number") && text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
  if (kind === "texts" || kind === "choices" || Array.isArray(value)) return text.split(",").map((one) => one.trim()).filter(Boolean);
  if (kind === "integers") return text.split(",").map(Number).filter(Number.isFinite);
  return text;
}
/** How a value stands in its field. */
function written({ value, text }: Parameter): string {
  if (value === null || value === undefined) return "";
  return Array.isArray(value) ? value.join(", ") : typeof value === "object" ? text : String(value);
}

function Edit({ config, of: one, onClose }: { config: ConfigReport; of: Parameter; onClose: () => void }) {
  const queries = useQueryClient();
  const [text, setText] = useState(written(one));
  const [reset, setReset] = useState(false);
  const changes = useMemo(() => ({ [one.name]: reset ? null : typed(text, one) }), [one, text, reset]);
  // Somebody else changed it in the meantime: the next try is against what holds now.
  const onError = (problem: Problem) => { if (problem.status === 412) void queries.invalidateQueries({ queryKey: ["config"] }); };
  const dry = useMutation<Patched, Problem>({ mutationFn: () => client.patchConfig(config.etag, changes, true), onError });
  const real = useMutation<Patched, Problem>({
    mutationFn: () => client.patchConfig(config.etag, changes, false),
    onError,
    onSuccess: (done) => {
      toast(done.needs_restart.length > 0 ? `Written; holds after a restart: ${done.needs_restart.join(", ")}` : "Written and applied.");
      void queries.invalidateQueries({ queryKey: ["config"] });
      onClose();
    },
  });
  const change = (next: string) => { setText(next); setReset(false); dry.reset(); real.reset(); };
  const choices = one.choices ?? (one.kind === "flag" || typeof one.value === "boolean" ? ["true", "false"] : null);
  const bounds = [one.min && `at least ${one.min}`, one.max && `at most ${one.max}`, one.unit && `in ${one.unit}`, one.default !== null && `default ${one.default}`].filter(Boolean).join(", ");
  return (
    <Dialog wide title={<code className="mono text-sm">{one.name}</code>} onClose={onClose} footer={<>
      {one.source === "file" && <Button onClick={() => { setReset(true); dry.reset(); real.reset(); }} disabled={reset}>Back to the default</Button>}
      {dry.data ? <Button kind="primary" busy={real.isPending} onClick={() => real.mutate()}>Write and apply</Button> : <Button kind="primary" busy={dry.isPending} onClick={() => dry.mutate()}>Check it</Button>}
    </>}>
      <form className="flex flex-col gap-4" onSubmit={(event) => { event.preventDefault(); if (!dry.data) dry.mutate(); }}>
        <p><Prose text={one.about} /></p>
        {(one.source === "environment" || one.source === "command line") && <p className="rounded-lg bg-warn-soft px-3 py-2 text-warn">The {one.source} sets it and goes before the file.</p>}
        <Field label="Value" hint={bounds}>
          {(id) => choices
            ? <select id={id} className="field" value={text} onChange={(event) => change(event.target.value)}>{choices.map((each) => <option key={each}>{each}</option>)}</select>
            : <input id={id} className="field mono" value={reset ? one.default ?? "" : text} spellCheck={false} onChange={(event) => change(event.target.value)} />}
        </Field>
        {dry.data && <><Diff text={dry.data.diff} />{dry.data.needs_restart.length > 0 && <p className="rounded-lg bg-warn-soft px-3 py-2 text-warn">Holds after a restart only.</p>}</>}
        <Notice problem={real.error ?? dry.error} />
      </form>
    </Dialog>
  );
}

function Log() {
  const answer = useAsk(["log"], (signal) => client.logLevel(signal));
  const queries = useQueryClient();
  const may = useMay("admin");
  const set = useMutation<LogLevel, Problem, LogLevel["level"]>({ mutationFn: (level) => client.setLogLevel(level), onSuccess: (now) => { queries.setQueryData(["log"], now); toast(`The log level is ${now.level}.`); }, onError: (problem) => toast(problem.message, "bad") });
  return (
    <Card title="Level of the log" className="max-w-xl">
      <Answer of={answer}>
        {({ level }) => (
          <div className="flex flex-col gap-2 pt-1">
            <p className="text-muted">Holds at once, until the next restart or until the configuration is read again.</p>
            <div><Choice label="Level of the log" value={level} onChange={(value) => may && set.mutate(value as LogLevel["level"])} options={LEVELS.map((one) => [one, one] as const)} /></div>
          </div>
        )}
      </Answer>
    </Card>
  );
}
