import type { ButtonHTMLAttributes, ReactNode } from "react";
import { Icon, type IconName } from "./icons";

type Kind = "plain" | "primary" | "danger" | "ghost";
const KINDS: Record<Kind, string> = {
  plain: "border border-line-strong/60 bg-surface text-text hover:bg-raised",
  primary: "bg-brand-solid text-on-brand font-semibold hover:brightness-105",
  danger: "border border-bad/50 bg-bad-soft text-bad font-semibold hover:border-bad",
  ghost: "text-muted hover:bg-raised hover:text-text",
};

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> { kind?: Kind; icon?: IconName; busy?: boolean; children?: ReactNode }

export function Button({ kind = "plain", icon, busy = false, children, className = "", disabled, ...rest }: Props) {
  return (
    <button type="button" {...rest} disabled={disabled || busy} aria-busy={busy || undefined}
      className={`inline-flex h-8 items-center justify-center gap-1.5 whitespace-nowrap rounded-[7px] px-2.5 text-sm transition-colors disabled:opacity-55 ${KINDS[kind]} ${className}`}>
      {icon && <Icon name={icon} className={`size-4 ${busy ? "animate-spin" : ""}`} />}
      {children}
    </button>
  );
}

interface IconProps extends Omit<Props, "icon" | "children" | "kind"> { icon: IconName; label: string; pressed?: boolean }

export function IconButton({ icon, label, pressed, busy, className = "", ...attributes }: IconProps) {
  return (
    <button type="button" {...attributes} aria-label={label} title={label} aria-pressed={pressed}
      className={`inline-grid size-8 shrink-0 place-items-center rounded-[7px] text-muted transition-colors hover:bg-raised hover:text-text aria-pressed:bg-brand-solid aria-pressed:text-on-brand disabled:opacity-50 ${className}`}>
      <Icon name={icon} className={`size-4 ${busy ? "animate-spin" : ""}`} />
    </button>
  );
}
