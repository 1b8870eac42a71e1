import type { ApiKey, Problem, Role } from "@peregrine/sdk";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client, useAsk, useMay } from "@/lib/api";
import { copy } from "@/lib/export";
import { ago, date } from "@/lib/format";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { Dialog } from "@/ui/dialog";
import { Field } from "@/ui/field";
import { Answer, Empty, Notice } from "@/ui/states";
import { Table } from "@/ui/table";
import { toast } from "@/ui/toast";

/** Keys for programs and people, with no more rights than they need. */
export function ApiKeys() {
  const queries = useQueryClient();
  const may = useMay("admin");
  const [making, setMaking] = useState(false);
  const [gone, setGone] = useState<ApiKey | null>(null);
  const answer = useAsk(["apikeys"], (signal) => client.apiKeys(signal), 0, may);
  const again = () => void queries.invalidateQueries({ queryKey: ["apikeys"] });
  const revoke = useMutation<unknown, Problem, string>({ mutationFn: (id) => client.revokeApiKey(id), onSuccess: () => { again(); setGone(null); toast("The key is revoked."); } });
  if (!may) return <Card><Empty icon="key" title="Only admins see keys">Ask somebody with the role admin.</Empty></Card>;
  return (
    <Card flush title="API keys" note="stored as hashes" actions={<><a className="text-info hover:underline" href="/docs/performance">The API</a><Button icon="key" onClick={() => setMaking(true)}>New key…</Button></>}>
      <Answer of={answer}>
        {(keys) => (
          <Table caption="API keys" rows={keys} id={(one) => one.id} empty={<Empty icon="key" title="No keys yet">A key gives a program no more rights than it needs.</Empty>} columns={[
            { key: "name", label: "Name", sort: (one) => one.name, show: (one) => <span className="inline-flex items-baseline gap-2 font-medium">{one.name}<code className="mono text-faint">pgk_{one.id}_…</code></span> },
            { key: "role", label: "Role", sort: (one) => one.role, show: (one) => <Badge tone={one.role === "admin" ? "warn" : one.role === "operator" ? "info" : "quiet"}>{one.role}</Badge> },
            { key: "namespaces", label: "Namespaces", show: (one) => one.namespaces?.join(", ") ?? "all" },
            { key: "made", label: "Made", sort: (one) => one.created, show: (one) => <span className="text-muted">{date(one.created).slice(0, 10)} by {one.created_by}</span> },
            { key: "used", label: "Last used", sort: (one) => one.last_used, show: (one) => one.last_used ? ago(one.last_used) : "never" },
            { key: "expires", label: "Expires", sort: (one) => one.expires, show: (one) => one.expires ? ago(one.expires) : "never" },
            { key: "do", label: "", numeric: true, show: (one) => <Button kind="ghost" aria-label={`Revoke ${one.name}`} onClick={() => setGone(one)}>Revoke…</Button> },
          ]} />
        )}
      </Answer>
      {making && <NewKey onClose={() => setMaking(false)} again={again} />}
      {gone && (
        <Dialog title={`Revoke ${gone.name}?`} onClose={() => setGone(null)} footer={<Button kind="danger" busy={revoke.isPending} onClick={() => revoke.mutate(gone.id)}>Revoke it</Button>}>
          <p>Whatever uses it is refused from then on. This cannot be undone.</p>
          <div className="mt-3"><Notice problem={revoke.error} /></div>
        </Dialog>
      )}
    </Card>
  );
}

function NewKey({ onClose, again }: { onClose: () => void; again: () => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [spaces, setSpaces] = useState("");
  const [days, setDays] = useState("90");
  const make = useMutation({
    mutationFn: () => {
      const namespaces = spaces.split(",").map((one) => one.trim()).filter(Boolean);
      return client.createApiKey({ name: name.trim(), role, ...(namespaces.length > 0 ? { namespaces } : {}), ...(days === "" ? {} : { expires_in_s: Number(days) * 86_400 }) });
    },
    onSuccess: again,
  });
  if (make.data) {
    const { key } = make.data;
    return (
      <Dialog title="The new key" onClose={onClose} footer={<Button kind="primary" onClick={onClose}>I have it</Button>}>
        <p className="mb-3">It is shown this once. Peregrine keeps only its hash.</p>
        <div className="flex items-center gap-2"><code className="mono min-w-0 flex-1 rounded-lg bg-sunken p-3 break-all" data-new-key>{key}</code><Button icon="copy" onClick={() => void copy(key).then((done) => toast(done ? "Copied." : "It could not be copied.", done ? "good" : "bad"))}>Copy</Button></div>
      </Dialog>
    );
  }
  return (
    <Dialog title="New key" onClose={onClose} footer={<Button kind="primary" busy={make.isPending} disabled={!name.trim()} onClick={() => make.mutate()}>Make it</Button>}>
      <form className="grid gap-4 sm:grid-cols-2" onSubmit={(event) => { event.preventDefault(); if (name.trim()) make.mutate(); }}>
        <Field label="Name" hint="Who uses it.">{(id) => <input id={id} className="field" value={name} onChange={(event) => setName(event.target.value)} />}</Field>
        <Field label="Role" hint={{ viewer: "Reads.", operator: "Also invalidates, preloads, silences.", admin: "Also configuration, keys and rules." }[role]}>{(id) => <select id={id} className="field" value={role} onChange={(event) => setRole(event.target.value as Role)}>{["viewer", "operator", "admin"].map((one) => <option key={one}>{one}</option>)}</select>}</Field>
        <Field label="Only these namespaces" hint="With commas; empty: all.">{(id) => <input id={id} className="field mono" value={spaces} onChange={(event) => setSpaces(event.target.value)} />}</Field>
        <Field label="Expires after">{(id) => <select id={id} className="field" value={days} onChange={(event) => setDays(event.target.value)}>{[["1", "a day"], ["30", "30 days"], ["90", "90 days"], ["365", "a year"], ["", "never"]].map(([value, text]) => <option key={text} value={value}>{text}</option>)}</select>}</Field>
      </form>
      <div className="mt-4"><Notice problem={make.error} /></div>
    </Dialog>
  );
}
