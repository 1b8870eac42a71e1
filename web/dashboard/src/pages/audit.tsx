import type { AuditRecord } from "@peregrine/sdk";
import { useDeferredValue, useState } from "react";
import { ExportMenu } from "@/charts/chartcard";
import { client, useAsk } from "@/lib/api";
import { count, date, plain } from "@/lib/format";
import { download } from "@/lib/export";
import { useParam } from "@/lib/url";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, PageHead } from "@/ui/card";
import { Dialog } from "@/ui/dialog";
import { Facts, Search } from "@/ui/field";
import { Answer, Empty } from "@/ui/states";
import { Table } from "@/ui/table";

const LIMIT = 100;

/** Who did what, chained so that nothing can be taken out unseen. */
export default function Audit() {
  const [who, setWho] = useParam("who");
  const [what, setWhat] = useParam("what");
  const [before, setBefore] = useState<number | null>(null);
  const [open, setOpen] = useState<AuditRecord | null>(null);
  const query = useDeferredValue({ who, what, before, limit: LIMIT });
  const answer = useAsk(["audit", query], (signal) => client.audit({ ...query, before: query.before ?? undefined }, signal));
  const verified = answer.data?.verified;
  const records = answer.data?.records ?? [];
  return (
    <>
      <PageHead title="Audit" about="Who did what, with the values before and after. Each record holds the hash of the one before it, so that none can be changed or taken out unseen; peregrine audit verify checks the file itself." actions={
        verified && <span role="status"><Badge tone={verified.ok ? "good" : "bad"} dot>{verified.ok ? `chain whole, ${count(verified.records)} records` : `chain broken: ${verified.fault ?? ""}`}</Badge></span>
      } />
      <Card flush title="Records" actions={<ExportMenu label="Audit records" write={(format) => download("peregrine-audit", format, ["seq", "at", "who", "role", "address", "what", "target", "before", "after", "outcome", "hash"],
        records.map((one) => [one.seq, one.at, one.who, one.role, one.address, one.what, one.target, one.before, one.after, one.outcome, one.hash]))} />}>
        <div className="flex flex-wrap gap-2 px-3.5 pb-2.5">
          <Search label="Who" value={who} onChange={(value) => { setWho(value); setBefore(null); }} className="w-40" />
          <Search label="What" value={what} onChange={(value) => { setWhat(value); setBefore(null); }} className="w-48" />
          {before !== null && <Button kind="ghost" icon="close" onClick={() => setBefore(null)}>Back to the newest</Button>}
        </div>
        <Answer of={answer}>
          {() => (
            <Table caption="Audit records, newest first" rows={records} id={(one) => String(one.seq)} onRow={setOpen}
              empty={<Empty icon="audit" title="No records">{who || what ? "Try fewer filters." : "Whatever changes something is written here."}</Empty>} columns={[
                { key: "at", label: "When", show: (one) => <span className="whitespace-nowrap text-muted">{date(one.at)}</span> },
                { key: "who", label: "Who", show: (one) => <span className="inline-flex items-center gap-2">{one.who}<span className="text-2xs text-faint">{one.role}</span></span> },
                { key: "what", label: "What", show: (one) => <button type="button" className="mono text-left hover:underline" onClick={() => setOpen(one)}>{one.what}</button> },
                { key: "target", label: "On what", show: (one) => <span className="mono block max-w-96 truncate" title={one.target}>{one.target}</span> },
                { key: "outcome", label: "Outcome", show: (one) => <Badge tone={/^(done|ok|2|applied|success)/.test(one.outcome) ? "good" : /refused|fail|denied|^[45]/.test(one.outcome) ? "bad" : "quiet"}>{one.outcome}</Badge> },
                { key: "from", label: "From", show: (one) => <span className="text-muted">{one.address}</span> },
                { key: "seq", label: "No.", numeric: true, show: (one) => count(one.seq) },
              ]} />
          )}
        </Answer>
        {records.length >= LIMIT && <div className="px-3.5 py-2.5"><Button onClick={() => setBefore(records.at(-1)?.seq ?? null)}>Older ones</Button></div>}
      </Card>
      {open && (
        <Dialog side title={`Record ${open.seq}`} onClose={() => setOpen(null)}>
          <Facts rows={[
            ["When", date(open.at)], ["Who", `${open.who} (${open.role})`], ["From", open.address], ["What", <code key="what" className="mono">{open.what}</code>], ["On what", <code key="target" className="mono break-all">{open.target}</code>], ["Outcome", open.outcome],
            ["Hash", <code key="hash" className="mono break-all">{open.hash}</code>],
          ]} />
          {(["before", "after"] as const).map((side) => (
            <section key={side} className="mt-4">
              <h3 className="mb-1 text-xs font-semibold text-muted">{side === "before" ? "Before" : "After"}</h3>
              <pre className="mono overflow-x-auto rounded-lg bg-sunken p-3" tabIndex={0} aria-label={side}>{open[side] === null || open[side] === undefined ? "nothing" : typeof open[side] === "object" ? JSON.stringify(open[side], null, 2) : plain(open[side])}</pre>
            </section>
          ))}
        </Dialog>
      )}
    </>
  );
}
