import { useState, type ReactNode } from "react";
import { client, useAsk } from "@/lib/api";
import { ago, bytes, count, duration } from "@/lib/format";
import { Badge, stateTone } from "@/ui/badge";
import { Toggle, Facts } from "@/ui/field";
import { Answer } from "@/ui/states";
import { Prose } from "@/ui/prose";

/** Why a URL is served as it is: what it maps to, what lies there, each step with its reason and clause. */
export function Explain({ url, method, extra }: { url: string; method?: string; extra?: ReactNode }) {
  const [ask, setAsk] = useState(false);
  const answer = useAsk(["explain", url, method ?? "GET", ask], (signal) => client.explain({ url, ...(method ? { method } : {}), fetch: ask }, signal));
  return (
    <div className="flex flex-col gap-4">
      <p className="mono break-all text-muted">{method ?? "GET"} {url}</p>
      {extra}
      <Answer of={answer} lines={8}>
        {(found) => (
          <>
            <div className="flex flex-wrap items-center gap-2">
              <Badge tone={stateTone(found.state)} dot>{found.state.replaceAll("_", " ")}</Badge>
              {found.ttl_s !== null && <span>{found.ttl_s >= 0 ? `fresh for ${duration(found.ttl_s)} more` : `stale for ${duration(-found.ttl_s)}`}</span>}
              <span className="ml-auto"><Toggle label="Ask the origin too" checked={ask} onChange={setAsk} /></span>
            </div>
            {found.advice && <p className="rounded-lg bg-info-soft px-3 py-2 text-info"><Prose text={found.advice} /></p>}
            <ol className="flex flex-col">
              {found.steps.map((step, at) => (
                <li key={`${step.step}${at}`} className="relative grid grid-cols-[1rem_5rem_1fr] gap-x-2 pb-3">
                  <span className="relative" aria-hidden="true">
                    <span className="absolute top-1.5 left-1/2 size-2 -translate-x-1/2 rounded-full bg-brand-solid" />
                    {at < found.steps.length - 1 && <span className="absolute top-4 -bottom-2 left-1/2 w-px bg-line" />}
                  </span>
                  <span className="text-muted">{step.step}</span>
                  <div className="min-w-0">
                    <p className="font-medium break-all">{/^[a-z_]+$/.test(step.outcome) ? step.outcome.replaceAll("_", " ") : step.outcome}{step.reason && step.reason !== step.outcome && <span className="mono ml-2 font-normal text-muted">{step.reason}</span>}</p>
                    {step.sentence && <p className="text-muted"><Prose text={step.sentence} /></p>}
                    {step.clause && <p className="text-2xs text-faint">{step.clause}</p>}
                  </div>
                </li>
              ))}
            </ol>
            <Facts rows={[
              ["Route", found.route ?? "none"], ["Upstream", found.upstream ?? "none"], ["Strategy", found.strategy ?? "none"], ["Namespace", found.namespace ?? "none"],
              ...(found.tenant ? [["Tenant", found.tenant] as [string, ReactNode]] : []),
              ["Key", <code key="key" className="mono break-all">{found.key ?? "none"}</code>], ["Variant", <code key="variant" className="mono break-all">{found.variant ?? "the only one"}</code>],
              ["Age", duration(found.age_s)], ["Size", bytes(found.size)], ["Served", found.hits === null ? "–" : `${count(found.hits)} times`],
              ["Tags", found.tags.length === 0 ? "none" : found.tags.join(", ")], ["Stored as", found.stored_encoding ?? "–"],
              ["Last such request", found.last ? <span key="last">{ago(found.last.when)}: <code className="mono">{found.last.cache_status}</code></span> : "none is remembered"],
            ]} />
          </>
        )}
      </Answer>
    </div>
  );
}
