import { useContext, useEffect, useRef, useState, type ReactNode } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { useIsFetching, useQueryClient } from "@tanstack/react-query";
import { client, live, MeContext, useAsk, useLive } from "@/lib/api";
import { clock } from "@/lib/format";
import { DEFAULT_RANGE, RANGES, useRange } from "@/lib/range";
import { setTheme, useTheme } from "@/lib/theme";
import { Badge, Dot, type Tone } from "@/ui/badge";
import { Button, IconButton } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Icon, Logo } from "@/ui/icons";
import { pages } from "./pages";

export function Shell({ children }: { children: ReactNode }) {
  const [location] = useLocation();
  const [menu, setMenu] = useState(false);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const page = pages.find((one) => one.path === location);
  useEffect(() => {
    document.title = `${page?.name ?? "Not found"} · Peregrine`;
    setMenu(false);
    // After a change of page a keyboard or screen reader goes on at the page, not at the link.
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
    window.scrollTo(0, 0);
  }, [location, page]);
  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[13.25rem_minmax(0,1fr)]">
      <a href="#main" className="sr-only z-50 rounded-md bg-brand-solid px-3 py-2 font-semibold text-on-brand focus:not-sr-only focus:fixed focus:top-2 focus:left-2">Skip to the page</a>
      <aside className="sticky top-0 hidden h-dvh flex-col border-r border-line bg-surface px-2.5 py-3 lg:flex">
        <Brand />
        <Navigation className="mt-4" />
        <Who />
      </aside>
      <div className="flex min-w-0 flex-col">
        <Topbar title={page?.name ?? ""} onMenu={() => setMenu(true)} />
        <Trouble />
        <main ref={main} id="main" tabIndex={-1} className="mx-auto w-full max-w-[110rem] flex-1 px-3 py-3 outline-none sm:px-4">{children}</main>
      </div>
      {menu && <Dialog title="Peregrine" side onClose={() => setMenu(false)}><Navigation /><Who /></Dialog>}
    </div>
  );
}

function Brand() {
  return (
    <div className="flex items-center gap-2 px-2 pt-1">
      <Logo className="size-7" />
      <span className="text-base font-semibold tracking-[-0.02em]">Peregrine</span>
    </div>
  );
}

function Navigation({ className = "" }: { className?: string }) {
  const [location] = useLocation();
  const [params] = useSearchParams();
  const alerts = useAsk(["alerts"], (signal) => client.alerts(signal), 15_000);
  const firing = alerts.data?.alerts.filter((alert) => alert.state === "firing" && !alert.silenced_by).length ?? 0;
  // The time range goes along from page to page.
  const kept = new URLSearchParams([...params].filter(([name]) => ["range", "from", "to"].includes(name))).toString();
  return (
    <nav aria-label="Pages" className={`flex flex-col gap-4 ${className}`}>
      {(["See", "Steer", "Run"] as const).map((group) => (
        <div key={group}>
          <p className="px-2 pb-1 text-2xs font-medium text-faint" id={`group-${group}`}>{group}</p>
          <ul aria-labelledby={`group-${group}`} className="flex flex-col gap-px">
            {pages.filter((page) => page.group === group).map((page) => (
              <li key={page.path}>
                <Link href={kept ? `${page.path}?${kept}` : page.path} aria-current={location === page.path ? "page" : undefined}
                  className="group flex h-8 items-center gap-2.5 rounded-[7px] px-2 text-muted hover:bg-raised hover:text-text aria-[current=page]:bg-sunken aria-[current=page]:font-semibold aria-[current=page]:text-text">
                  <Icon name={page.icon} className="size-4 group-aria-[current=page]:text-brand" />
                  {page.name}
                  {page.path === "/alerts" && firing > 0 && <span className="ml-auto"><Badge tone="bad">{firing}<span className="sr-only"> firing</span></Badge></span>}
                </Link>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

function Who() {
  const me = useContext(MeContext);
  const queries = useQueryClient();
  const theme = useTheme();
  if (!me) return null;
  const out = async () => {
    await client.logout().catch(() => undefined);
    live.stop();
    queries.clear();
    window.location.assign(window.location.pathname);
  };
  return (
    <div className="mt-auto flex items-center gap-1 border-t border-line pt-3 pl-2">
      <div className="min-w-0 flex-1">
        <p className="truncate font-medium" title={me.name}>{me.name}</p>
        <p className="truncate text-2xs text-muted">{me.role}{me.namespaces ? ` of ${me.namespaces.join(", ")}` : ""}{me.tenant ? ` · ${me.tenant}` : ""}</p>
      </div>
      <IconButton icon={theme === "dark" ? "sun" : "moon"} label={theme === "dark" ? "Light colours" : "Dark colours"} onClick={() => setTheme(theme === "dark" ? "light" : "dark")} />
      <IconButton icon="out" label="Log out" onClick={() => void out()} />
    </div>
  );
}

function Topbar({ title, onMenu }: { title: string; onMenu: () => void }) {
  const { range, choose } = useRange();
  const queries = useQueryClient();
  const fetching = useIsFetching();
  const paused = useLive("paused");
  return (
    <header className="sticky top-0 z-30 flex h-12 items-center gap-1.5 border-b border-line bg-surface/95 px-3 backdrop-blur sm:px-4">
      <IconButton icon="menu" label="Open the menu" className="-ml-1.5 lg:hidden" onClick={onMenu} />
      <p className="truncate font-semibold lg:hidden" aria-hidden="true">{title}</p>
      <div className="hidden lg:block"><Connected /></div>
      <div className="ml-auto flex items-center gap-1.5">
        {!range.live && (
          <Button kind="ghost" icon="close" onClick={() => choose(range.preset)}>
            <span className="hidden sm:inline">{clock(range.from, false)} – {clock(range.to, false)}</span><span className="sr-only">, back to the present</span>
          </Button>
        )}
        <select aria-label="Time range" value={range.live ? range.preset : "past"} onChange={(event) => choose(event.target.value)} className="field w-30 pr-1 sm:w-32">
          {!range.live && <option value="past">a stretch</option>}
          {RANGES.map(([key, text]) => <option key={key} value={key}>{key === DEFAULT_RANGE ? text : text}</option>)}
        </select>
        <IconButton icon={paused ? "play" : "pause"} label={paused ? "Go on showing what is new" : "Pause: hold the view still"} pressed={paused} onClick={() => {
          live.pause(!paused);
          if (paused) void queries.invalidateQueries();
        }} />
        <IconButton icon="refresh" label="Ask for everything again" busy={fetching > 0} onClick={() => void queries.invalidateQueries()} />
      </div>
    </header>
  );
}

function Connected() {
  const [connection, paused, latest, node] = [useLive("connection"), useLive("paused"), useLive("latest"), useLive("node")];
  const [tone, text]: [Tone, string] = paused ? ["warn", "Paused"]
    : connection === "open" ? ["good", "Live"]
      : connection === "connecting" ? ["info", "Connecting"]
        : connection === "waiting" ? ["bad", "Reconnecting"] : ["quiet", "Not connected"];
  return (
    <p role="status" className="flex items-center gap-2 text-sm text-muted" data-connection={connection}>
      <Dot tone={tone} className={tone === "good" ? "live-dot" : ""} />
      <span className="font-medium text-text">{text}</span>
      {latest && <span className="text-xs" aria-hidden="true" data-clock>{clock(latest.at)}</span>}
      {node && <span className="mono ml-2 text-faint">{node}</span>}
    </p>
  );
}

/** What everybody has to know wherever they are: that what is shown is old. */
function Trouble() {
  const [connection, problem] = [useLive("connection"), useLive("problem")];
  if (connection !== "waiting" || !problem) return null;
  return (
    <div role="status" className="border-b border-line bg-warn-soft px-4 py-1.5 text-sm text-warn">
      The live stream is away; it comes back by itself and then catches up. {problem.message}
    </div>
  );
}
