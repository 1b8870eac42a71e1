import type { SloStatus } from "@peregrine/sdk";
import { Parts, Ring } from "@/charts/spark";
import { client, useAsk } from "@/lib/api";
import { count, duration, milliseconds, percent } from "@/lib/format";
import { Badge, type Tone } from "@/ui/badge";
import { Card, PageHead } from "@/ui/card";
import { Answer, Empty } from "@/ui/states";

const TONE: Record<SloStatus["state"], Tone> = { ok: "good", burning: "warn", exhausted: "bad", no_data: "quiet", frozen: "quiet" };
const COLOR: Record<Tone, string> = { good: "--good", warn: "--warn", bad: "--bad", info: "--info", quiet: "--quiet" };
const WORD: Record<SloStatus["state"], string> = { ok: "on course", burning: "burning", exhausted: "used up", no_data: "no data", frozen: "frozen" };

/** What was promised, what is left of the budget for errors, and for how long it lasts. */
export default function Slos() {
  const answer = useAsk(["slos"], (signal) => client.slos(signal), 5_000);
  return (
    <>
      <PageHead title="Service level objectives" about="What was promised, how much of the budget for misses is left, and how fast it burns: 1× uses it up exactly at the end of the window." />
      <Answer of={answer}>
        {(list) => list.length === 0 ? <Card><Empty icon="slos" title="No objectives">Promise something in the configuration, such as 95% of a route under 5 s.</Empty></Card>
          : <div className="grid gap-2.5 lg:grid-cols-2 2xl:grid-cols-3">{list.map((one) => <Slo key={one.name} of={one} />)}</div>}
      </Answer>
    </>
  );
}

function Slo({ of: one }: { of: SloStatus }) {
  const tone = TONE[one.state];
  const promise = one.kind === "latency" ? `${percent(one.objective, 1)} within ${milliseconds(one.threshold_ms)}` : `${percent(one.objective, 2)} answered`;
  return (
    <Card title={one.name} note={<Badge tone={tone} dot>{WORD[one.state]}</Badge>} actions={<span className="mono text-muted">{one.route ?? "all routes"}</span>}>
      <div className="flex items-center gap-4 pt-1">
        <Ring share={one.budget_left} color={COLOR[tone]} size={84}>
          <p className="text-lg leading-5 font-semibold">{percent(one.budget_left, 0)}</p><p className="text-2xs text-muted">left</p>
        </Ring>
        <dl className="grid flex-1 grid-cols-2 gap-x-4 gap-y-2">
          {([
            ["Promised", promise], ["Kept", percent(one.attained, 2)],
            ["Misses", `${count(one.total - one.good)} of ${count(one.total)}`],
            ["Lasts", one.exhausted_in_s === null ? one.state === "ok" ? "the whole window" : "–" : one.exhausted_in_s <= 0 ? "used up" : `${duration(one.exhausted_in_s)} more`],
          ] as const).map(([name, value]) => <div key={name}><dt className="text-2xs text-muted">{name}</dt><dd className="font-semibold">{value}</dd></div>)}
        </dl>
      </div>
      {one.burn.length > 0 && (
        <div className="mt-4">
          <h3 className="mb-1.5 text-2xs font-medium text-muted">How fast the budget of {duration(one.window_s)} burns, over the last</h3>
          <ul className="flex flex-col gap-1.5">
            {[...one.burn].sort((left, right) => left.window_s - right.window_s).map((burn) => {
              const rate = burn.rate;
              return (
                <li key={burn.window_s} className="grid grid-cols-[4.5rem_1fr_3.5rem] items-center gap-3">
                  <span className="text-xs text-muted">{duration(burn.window_s)}</span>
                  <Parts className="h-1.5" parts={[{ key: "burn", share: Math.min(1, (rate ?? 0) / 14.4), color: rate === null ? "--quiet" : rate >= 6 ? "--bad" : rate > 1 ? "--warn" : "--good" }]} />
                  <span className="text-right font-semibold">{rate === null ? "–" : `${rate.toFixed(1)}×`}</span>
                </li>
              );
            })}
          </ul>
        </div>
      )}
      {one.alerts.length > 0 && <ul className="mt-3 flex flex-col gap-1">{one.alerts.map((alert) => <li key={alert} className="rounded-lg bg-warn-soft px-3 py-1.5 text-warn">{alert}</li>)}</ul>}
      {one.state === "no_data" && <p className="mt-3 text-muted">Nothing was measured in the window; an objective without data neither holds nor breaks.</p>}
      {one.state === "frozen" && <p className="mt-3 text-muted">Data are missing; the budget stands where it was.</p>}
    </Card>
  );
}
