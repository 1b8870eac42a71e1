import { Problem } from "@peregrine/sdk";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Button } from "./button";
import { Icon, type IconName } from "./icons";
import { Prose } from "./prose";

export function Empty({ icon = "search", title, children, action }: { icon?: IconName; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="m-auto flex max-w-[44ch] flex-col items-center gap-1.5 px-4 py-8 text-center">
      <span className="mb-1 grid size-10 place-items-center rounded-full bg-sunken text-muted"><Icon name={icon} className="size-5" /></span>
      <p className="font-semibold">{title}</p>
      {children && <div className="text-muted">{children}</div>}
      {action && <div className="mt-2">{action}</div>}
    </div>
  );
}

export function Failure({ problem, retry }: { problem: Problem | Error; retry?: () => void }) {
  const status = problem instanceof Problem ? problem.status : 0;
  const title = status === 403 ? "You may not see this"
    : status === 404 ? "This Peregrine has no such thing"
      : status === 0 ? "No answer from Peregrine" : "That did not work";
  return (
    <div role="alert" className="m-auto flex max-w-[52ch] flex-col items-center gap-1.5 px-4 py-8 text-center">
      <span className="mb-1 grid size-10 place-items-center rounded-full bg-bad-soft text-bad"><Icon name="warn" className="size-5" /></span>
      <p className="font-semibold">{title}</p>
      <p className="text-muted"><Prose text={problem.message} /></p>
      <Faults problem={problem} />
      {retry && <Button className="mt-2" icon="refresh" onClick={retry}>Try again</Button>}
    </div>
  );
}

/** What is wrong with each field, as problem details tell it. */
export function Faults({ problem }: { problem: Problem | Error | null | undefined }) {
  if (!(problem instanceof Problem) || problem.errors.length === 0) return null;
  return (
    <ul className="mt-1 list-disc pl-5 text-left text-xs text-muted">
      {problem.errors.map((fault) => <li key={fault.field + fault.detail}><code className="mono">{fault.field}</code> <Prose text={fault.detail} /></li>)}
    </ul>
  );
}

/** A failed action beside the form that began it. */
export function Notice({ problem }: { problem: Problem | Error | null | undefined }) {
  if (!problem) return null;
  return (
    <div role="alert" className="rounded-lg bg-bad-soft px-3 py-2 text-sm text-bad">
      <Prose text={problem.message} />
      <Faults problem={problem} />
    </div>
  );
}

export function Skeleton({ lines = 4, label = "Loading" }: { lines?: number; label?: string }) {
  return (
    <div role="status" aria-label={label} className="flex flex-col gap-2 py-2">
      {Array.from({ length: lines }, (_, at) => <div key={at} className={`skeleton h-5 ${at % 3 === 2 ? "w-2/3" : "w-full"}`} />)}
    </div>
  );
}

/** One of: what was answered, a failure, or the shape of what is to come. An old answer is better than a failure. */
export function Answer<T>({ of, lines, children }: { of: UseQueryResult<T, Problem>; lines?: number; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  if (of.isError) return <Failure problem={of.error} retry={() => void of.refetch()} />;
  return <div className="px-3.5"><Skeleton lines={lines ?? 4} /></div>;
}
