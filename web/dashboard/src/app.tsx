import { Problem, type Me } from "@peregrine/sdk";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Component, Suspense, lazy, useEffect, useState, type ReactNode } from "react";
import { Route, Switch, useLocation } from "wouter";
import { client, live, MeContext, useLive } from "./lib/api";
import { pages } from "./shell/pages";
import { Shell } from "./shell/shell";
import { Login } from "./shell/login";
import { Button } from "./ui/button";
import { Logo } from "./ui/icons";
import { Empty, Failure, Skeleton } from "./ui/states";
import { Toasts } from "./ui/toast";

const views = pages.map((page) => ({ ...page, View: lazy(page.load) }));

/** Whoever is logged in sees the pages; everybody else the login. A login link's code is tried once. */
export function App({ code }: { code: string | null }) {
  const queries = useQueryClient();
  const [tried, setTried] = useState(code === null);
  const [refused, setRefused] = useState<Problem | null>(null);
  const me = useQuery<Me, Problem>({ queryKey: ["me"], queryFn: ({ signal }) => client.me(signal), enabled: tried, retry: false, staleTime: 60_000 });
  const connection = useLive("connection");

  useEffect(() => {
    if (code === null || tried) return;
    client.login({ code }).then((who) => queries.setQueryData(["me"], who), setRefused).finally(() => setTried(true));
  }, [code, tried, queries]);
  useEffect(() => {
    if (!me.data) return;
    live.start(me.data.role);
    return () => live.stop();
  }, [me.data]);
  useEffect(() => {
    // The session is over: the login comes back.
    if (connection === "denied") void queries.invalidateQueries({ queryKey: ["me"] });
  }, [connection, queries]);

  if (me.data && !(me.error?.denied)) {
    return (
      <MeContext value={me.data}>
        <Shell>
          <Pages />
        </Shell>
        <Toasts />
      </MeContext>
    );
  }
  if (me.isError && me.error.status !== 401) {
    return <main className="grid min-h-dvh place-items-center"><Failure problem={me.error} retry={() => void me.refetch()} /></main>;
  }
  if (me.isError) {
    return <Login refused={refused} onDone={(who) => {
      setRefused(null);
      // Whoever was here before may have seen other things. `me` itself stays: this component watches it.
      queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "me" });
      queries.setQueryData(["me"], who);
    }} />;
  }
  return (
    <main className="grid min-h-dvh place-items-center" aria-busy="true">
      <div role="status" className="flex flex-col items-center gap-3 text-muted"><Logo className="size-10" /><span className="sr-only">Loading</span></div>
    </main>
  );
}

function Pages() {
  const [location] = useLocation();
  return (
    <Guard key={location}>
      <Suspense fallback={<Skeleton lines={9} label="Loading the page" />}>
        <Switch>
          {views.map(({ path, View }) => <Route key={path} path={path} component={View} />)}
          <Route><Empty title="There is no such page">The address may be from another version.</Empty></Route>
        </Switch>
      </Suspense>
    </Guard>
  );
}

/** A page that fails takes no other with it. */
class Guard extends Component<{ children: ReactNode }, { fault: Error | null }> {
  override state: { fault: Error | null } = { fault: null };
  static getDerivedStateFromError(fault: Error) {
    return { fault };
  }
  override render() {
    if (!this.state.fault) return this.props.children;
    return (
      <Empty icon="warn" title="This page failed" action={<Button icon="refresh" onClick={() => window.location.reload()}>Load it again</Button>}>
        {this.state.fault.message}
      </Empty>
    );
  }
}
