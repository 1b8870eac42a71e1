import type { Problem } from "@peregrine/sdk";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client } from "@/lib/api";
import { count } from "@/lib/format";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Notice } from "@/ui/states";
import { toast } from "@/ui/toast";

/** Asks whether the history is to be forgotten, and does it. */
export function ForgetDialog({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const forget = useMutation<{ forgotten_points: number }, Problem>({
    mutationFn: () => client.resetMetrics(),
    onSuccess: ({ forgotten_points }) => { void queries.invalidateQueries(); onClose(); toast(`${count(forgotten_points)} points are forgotten; figures begin anew.`); },
  });
  return (
    <Dialog title="Forget the history?" onClose={onClose} footer={<Button kind="danger" busy={forget.isPending} onClick={() => forget.mutate()}>Forget it</Button>}>
      <p>Charts, ranges, savings, objectives and the score begin anew, as after a load test or once a fault is mended. Reports, the audit log, alerts and what Prometheus counts stay. This cannot be undone.</p>
      <div className="mt-3"><Notice problem={forget.error} /></div>
    </Dialog>
  );
}
