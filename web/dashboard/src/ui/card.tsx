import { useId, type ReactNode } from "react";

interface Props { title?: ReactNode; note?: ReactNode; actions?: ReactNode; children: ReactNode; className?: string; flush?: boolean }

/** A part of a page with its heading. `flush` leaves out the padding, for tables. */
export function Card({ title, note, actions, children, className = "", flush = false }: Props) {
  const id = useId();
  return (
    <section aria-labelledby={title ? id : undefined}
      className={`flex min-w-0 flex-col rounded-xl border border-line bg-surface shadow-(--shadow) ${className}`}>
      {(title || actions) && (
        <header className="flex min-h-9 flex-wrap items-center gap-x-3 gap-y-1 px-3.5 pt-2 pb-1">
          <h2 id={id} className="text-sm font-semibold tracking-[-0.005em]">{title}</h2>
          {note && <div className="text-xs text-muted">{note}</div>}
          {actions && <div className="ml-auto flex flex-wrap items-center gap-1">{actions}</div>}
        </header>
      )}
      <div className={`flex min-h-0 min-w-0 flex-1 flex-col ${flush ? "" : "px-3.5 pb-3"}`}>{children}</div>
    </section>
  );
}

export function PageHead({ title, about, actions }: { title: string; about: string; actions?: ReactNode }) {
  return (
    <div className="mb-4 flex flex-wrap items-end gap-x-6 gap-y-2">
      <div className="min-w-0">
        <h1 className="text-xl font-semibold tracking-[-0.015em]">{title}</h1>
        <p className="mt-0.5 max-w-[72ch] text-sm text-muted">{about}</p>
      </div>
      {actions && <div className="ml-auto flex flex-wrap items-center gap-2">{actions}</div>}
    </div>
  );
}
