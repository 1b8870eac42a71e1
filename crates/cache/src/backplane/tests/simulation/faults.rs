//! What goes wrong.

use super::twin::Twin;
use super::{Missing, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    FreezeNode,
    KillNode,
    RestartServer,
    Flush,
    Evict,
    Failover,
    FreezePrimary,
    CutNode,
    CutAll,
    RollBackValues,
    Nothing,
}

impl World {
    pub(super) fn fault(&mut self) {
        let fault = self.chance.pick(&[
            Fault::FreezeNode,
            Fault::FreezeNode,
            Fault::KillNode,
            Fault::RestartServer,
            Fault::Flush,
            Fault::Evict,
            Fault::Failover,
            Fault::Failover,
            Fault::FreezePrimary,
            Fault::CutNode,
            Fault::CutAll,
            Fault::RollBackValues,
            Fault::Nothing,
        ]);
        // What a rule is for comes more often where it is missing.
        let fault = match self.missing {
            Missing::Replid if self.chance.percent(40) => Fault::Failover,
            Missing::Replid if self.chance.percent(50) => Fault::RestartServer,
            Missing::Count | Missing::Salt if self.chance.percent(30) => Fault::Evict,
            _ => fault,
        };
        let primary = self.primary;
        self.note(format!("{fault:?}"));
        match fault {
            Fault::Nothing => {}
            Fault::FreezeNode => {
                let (node, time) = (self.any_node(), self.seconds(200, 6000));
                let until = self.now + time;
                self.nodes[node].frozen_until = self.nodes[node].frozen_until.max(until);
                self.note(format!("node {node} until {until}"));
            }
            Fault::KillNode => {
                let node = self.any_node();
                self.restart(node);
            }
            Fault::RestartServer => self.restart_server(primary),
            Fault::Flush => {
                self.servers[primary].state = Twin::default();
                self.wrote(primary);
            }
            Fault::Evict => {
                let only_targets = self.chance.percent(50);
                let state = &mut self.servers[primary].state;
                if only_targets {
                    state.targets.clear();
                } else {
                    (state.salt, state.seq, state.floor, state.count) = (None, 0, 0, 0);
                }
                self.wrote(primary);
            }
            Fault::Failover => self.fail_over(primary),
            Fault::FreezePrimary if self.split => self.freeze_primary(primary),
            Fault::FreezePrimary => {}
            Fault::CutNode => {
                let node = self.any_node();
                self.cut_off(vec![node]);
            }
            Fault::CutAll => self.cut_off((0..self.nodes.len()).collect()),
            Fault::RollBackValues => {
                for key in 0..super::history::KEYS.len() {
                    let versions = self.values.get(&key).cloned().unwrap_or_default();
                    if !versions.is_empty() && self.chance.percent(70) {
                        let old = self.chance.pick(&versions);
                        self.values.entry(key).or_default().push(old);
                    }
                }
            }
        }
    }

    fn cut_off(&mut self, nodes: Vec<usize>) {
        let servers = self.servers.len();
        let pairs: Vec<(usize, usize)> = nodes
            .into_iter()
            .flat_map(|node| (0..servers).map(move |server| (node, server)))
            .collect();
        self.cut.extend(&pairs);
        let time = self.seconds(300, 4000);
        self.after(time, move |world| {
            for pair in &pairs {
                world.cut.remove(pair);
            }
        });
    }

    /// It comes back as another process, empty or with what a file had.
    fn restart_server(&mut self, at: usize) {
        self.servers[at].alive = false;
        self.servers[at].waiting.clear();
        let has_file = self
            .chance
            .percent(if self.missing == Missing::Replid { 90 } else { 50 });
        let state = if has_file {
            let ago = 1 + usize::try_from(self.chance.below(8)).unwrap();
            self.saved[self.saved.len().saturating_sub(ago)].clone()
        } else {
            Twin::default()
        };
        let time = self.seconds(50, 3000);
        self.after(time, move |world| {
            let (run_id, replid) = (world.id(), world.id());
            let server = &mut world.servers[at];
            server.alive = true;
            server.run_id = run_id;
            if world.primary == at {
                server.replid = replid;
                server.state = state;
                server.offset = 0;
                let followers = server.followers.clone();
                world.attach(at, &followers);
            } else {
                world.servers[at].is_primary = false;
            }
        });
    }

    /// A replica of `old` that could take over.
    fn heir(&mut self, old: usize) -> Option<usize> {
        let followers = self.servers[old].followers.iter().copied();
        let alive: Vec<usize> = followers.filter(|follower| self.servers[*follower].alive).collect();
        (self.servers[old].alive && !alive.is_empty()).then(|| self.chance.pick(&alive))
    }

    /// The primary stands still, another takes its place, and it goes on without knowing.
    fn freeze_primary(&mut self, old: usize) {
        let Some(new) = self.heir(old) else { return };
        let time = self.seconds(500, 4000);
        self.servers[old].frozen_until = self.now + time;
        let later = self.seconds(300, 2000);
        self.after(later, move |world| {
            if world.promote(new, old) {
                let thawed = world.servers[old].frozen_until.saturating_sub(world.now);
                let time = thawed + world.seconds(0, 3000);
                world.after(time, move |world| world.demote(old, new));
            }
        });
    }

    fn fail_over(&mut self, old: usize) {
        let Some(new) = self.heir(old) else { return };
        match self.chance.below(if self.split { 3 } else { 2 }) {
            0 => self.crash(old, new),
            1 => self.hand_over(old, new),
            _ => self.part(old, new),
        }
    }

    /// The primary dies, and comes back when another is.
    fn crash(&mut self, old: usize, new: usize) {
        self.servers[old].alive = false;
        self.servers[old].waiting.clear();
        let time = self.seconds(100, 2000);
        self.after(time, move |world| {
            // It may have been started again meanwhile.
            world.servers[old].alive &= world.split;
            let promoted = world.promote(new, old);
            let time = world.seconds(500, 3000);
            world.after(time, move |world| {
                let run_id = world.id();
                let deposed = world.primary != old;
                let server = &mut world.servers[old];
                server.alive = true;
                if deposed {
                    server.run_id = run_id;
                    server.is_primary = server.is_primary && world.split;
                }
                if promoted {
                    world.demote(old, new);
                }
            });
        });
    }

    /// As planned: the primary hands over and follows.
    fn hand_over(&mut self, old: usize, new: usize) {
        if self.promote(new, old) {
            if self.split {
                let time = self.seconds(0, 500);
                self.after(time, move |world| world.demote(old, new));
            } else {
                self.servers[old].is_primary = false;
                self.demote(old, new);
            }
        }
    }

    /// The primary and some nodes are on one side of a cut, the replica and the other nodes on the other.
    fn part(&mut self, old: usize, new: usize) {
        self.cut_servers.insert((old, new));
        for node in 0..self.nodes.len() {
            let side = if self.chance.percent(50) { old } else { new };
            self.cut.insert((node, side));
        }
        let time = self.seconds(100, 2000);
        self.after(time, move |world| {
            let promoted = world.promote(new, old);
            let time = world.seconds(500, 5000);
            world.after(time, move |world| {
                world.cut.clear();
                world.cut_servers.clear();
                if promoted {
                    let time = world.seconds(0, 1000);
                    world.after(time, move |world| world.demote(old, new));
                }
            });
        });
    }
}
