import { useId, type ReactNode } from "react";

export function Field({ label, hint, children, className = "" }: { label: string; hint?: ReactNode; children: (id: string) => ReactNode; className?: string }) {
  const id = useId();
  return (
    <div className={`flex min-w-0 flex-col gap-1 ${className}`}>
      <label className="label" htmlFor={id}>{label}</label>
      {children(id)}
      {hint && <p className="text-xs text-faint">{hint}</p>}
    </div>
  );
}

export function Search({ label, value, onChange, placeholder, className = "" }: { label: string; value: string; onChange: (value: string) => void; placeholder?: string; className?: string }) {
  return <input type="search" aria-label={label} placeholder={placeholder ?? label} value={value} onChange={(event) => onChange(event.target.value)} className={`field ${className}`} spellCheck={false} autoComplete="off" />;
}

export function Choice({ label, value, onChange, options, id, className = "" }: {
  label: string; value: string; onChange: (value: string) => void; options: readonly (readonly [string, string])[]; id?: string; className?: string;
}) {
  return (
    <select id={id} aria-label={label} value={value} onChange={(event) => onChange(event.target.value)} className={`field pr-1 ${className}`}>
      {options.map(([key, text]) => <option key={key} value={key}>{text}</option>)}
    </select>
  );
}

/** A few choices of which one holds, side by side. */
export function Segments({ label, value, onChange, options }: {
  label: string; value: string; onChange: (value: string) => void; options: readonly (readonly [string, string])[];
}) {
  return (
    <div role="group" aria-label={label} className="inline-flex max-w-full flex-wrap gap-0.5 rounded-lg bg-sunken p-0.5">
      {options.map(([key, text]) => (
        <button key={key} type="button" aria-pressed={value === key} onClick={() => onChange(key)}
          className="h-7 rounded-md px-2.5 text-sm text-muted hover:text-text aria-pressed:bg-surface aria-pressed:font-semibold aria-pressed:text-text aria-pressed:shadow-sm">
          {text}
        </button>
      ))}
    </div>
  );
}

export function Toggle({ label, checked, onChange, disabled = false }: { label: string; checked: boolean; onChange: (value: boolean) => void; disabled?: boolean }) {
  return (
    <label className="inline-flex cursor-pointer items-center gap-2 text-sm">
      <input type="checkbox" className="size-4 accent-(--brand-solid)" checked={checked} disabled={disabled} onChange={(event) => onChange(event.target.checked)} />
      {label}
    </label>
  );
}

export function Tabs({ label, value, onChange, tabs }: { label: string; value: string; onChange: (value: string) => void; tabs: readonly (readonly [string, string])[] }) {
  return (
    <div role="tablist" aria-label={label} className="mb-4 flex gap-1 overflow-x-auto border-b border-line"
      onKeyDown={(event) => {
        const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
        if (step === 0) return;
        const at = tabs.findIndex(([key]) => key === value);
        const next = tabs[(at + step + tabs.length) % tabs.length];
        if (next) onChange(next[0]);
        const buttons = event.currentTarget.querySelectorAll<HTMLElement>("[role=tab]");
        buttons[(at + step + tabs.length) % tabs.length]?.focus();
      }}>
      {tabs.map(([key, text]) => (
        <button key={key} type="button" role="tab" aria-selected={value === key} tabIndex={value === key ? 0 : -1} onClick={() => onChange(key)}
          className="-mb-px h-9 whitespace-nowrap border-b-2 border-transparent px-3 text-sm text-muted hover:text-text aria-selected:border-brand-solid aria-selected:font-semibold aria-selected:text-text">
          {text}
        </button>
      ))}
    </div>
  );
}

export function Facts({ rows }: { rows: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[minmax(7rem,auto)_1fr] gap-x-4 gap-y-1.5">
      {rows.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
