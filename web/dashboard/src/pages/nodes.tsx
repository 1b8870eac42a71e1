import { client, useAsk } from "@/lib/api";
import { ChartCard } from "@/charts/chartcard";
import { count, duration, milliseconds } from "@/lib/format";
import { useHistory } from "@/lib/history";
import { useRange } from "@/lib/range";
import { Badge, stateTone } from "@/ui/badge";
import { Card, PageHead } from "@/ui/card";
import { Answer, Empty } from "@/ui/states";
import { Table } from "@/ui/table";

/** The nodes that share one Redis, and how far each knows of every invalidation. */
export default function Nodes() {
  const answer = useAsk(["nodes"], (signal) => client.nodes(signal), 2_000);
  const { range } = useRange();
  const history = useHistory(range, ["invalidations_per_s", "invalidation_lag_ms"]);
  return (
    <>
      <PageHead title="Nodes" about="Every Peregrine that shares this Redis, and how far each knows of all invalidations. A node that has not heard for longer than its bound asks before it answers." />
      <Card flush className="mb-2.5" title="Nodes">
        <Answer of={answer}>
          {(list) => (
            <Table caption="Nodes" rows={list} id={(one) => one.name} empty={<Empty icon="nodes" title="This node is alone">With <code className="mono">redis.url</code> several share what they know.</Empty>} columns={[
              { key: "name", label: "Node", sort: (one) => one.name, show: (one) => <span className="mono inline-flex items-center gap-2">{one.name}{one.self && <Badge tone="info">this one</Badge>}</span> },
              { key: "state", label: "State", sort: (one) => one.state, show: (one) => <Badge tone={stateTone(one.state)} dot>{one.state.replaceAll("_", " ")}</Badge> },
              { key: "behind", label: "Behind", numeric: true, sort: (one) => one.behind, show: (one) => one.behind === null ? "–" : one.behind === 0 ? "nothing" : `${count(one.behind)} invalidations` },
              { key: "silent", label: "Last heard", numeric: true, sort: (one) => one.silent_s, show: (one) => one.self ? "–" : one.silent_s === null ? "–" : `${duration(one.silent_s)} ago` },
              { key: "cursor", label: "Position", numeric: true, sort: (one) => one.cursor, show: (one) => count(one.cursor) },
              { key: "verified", label: "Verified", numeric: true, sort: (one) => one.verified_age_ms, show: (one) => one.verified_age_ms === null ? "–" : `${milliseconds(one.verified_age_ms)} ago` },
            ]} />
          )}
        </Answer>
      </Card>
      <div className="grid gap-2.5 md:grid-cols-2">
        <ChartCard title="Invalidations" history={history.data} problem={history.error} height={170} series={[{ name: "invalidations_per_s", fill: true }]} />
        <ChartCard title="How late they arrive" history={history.data} problem={history.error} height={170} series={[{ name: "invalidation_lag_ms", fill: true }]} />
      </div>
    </>
  );
}
