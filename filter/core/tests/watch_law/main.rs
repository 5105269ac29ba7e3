//! The law of watches, in a world of its own time: whatever happens to Coder, to workers, to processes and to connections, everybody who watches
//! ends up with what Coder has, no object ever goes back to an earlier state, and none is reported deleted that is there.
//!
//! Two processes with two workers each, on one kube-apiserver's bell; calls take time, and what they answer was true at some moment of it. Workers go by the
//! moment of their last event, which may be a while ago.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a test may fail loudly"
)]

mod clients;
mod coder;
mod lease;
mod world;

use proptest::prelude::*;
use std::collections::BTreeMap;
use world::World;

const START: i64 = 1_795_255_200_000;
/// Milliseconds of a step.
const STEP: i64 = 10;
const PATH: &str = "/apis/aggregation.coder.com/v1alpha1/namespaces/coder/coderworkspaces";

/// Settings by which everything is read hardly ever.
const SELDOM: &str = r#""readingSeconds":3600"#;

fn run(seed: u64, replicas: usize, seconds: i64) {
    let mut world = World::new(seed, replicas, replicas > 1, r#""readingSeconds":10"#);
    // After so long a version of another replica can be gone on from.
    world.moves = seconds > 90;
    // And a name of which nobody there has heard may stay: README, "Limits".
    world.coder.renames = !world.moves;
    for _ in 0..seconds * 1000 / STEP {
        world.step(true);
    }
    // Then it is quiet, and everybody has time to hear of everything.
    for _ in 0..90_000 / STEP {
        world.step(false);
    }
    everybody_knows(&world, seed);
}

fn everybody_knows(world: &World, seed: u64) {
    for (at, client) in world.clients.iter().enumerate() {
        let wanted = world.coder.workspaces.values().filter(|one| client.selects.wants(one));
        let expect: BTreeMap<String, (String, i64)> =
            wanted.map(|one| (one.full_name(), (one.id.clone(), one.revision))).collect();
        assert_eq!(client.store, expect, "client {at} of seed {seed}\n{}", world.log);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn everybody_ends_up_with_what_coder_has(seed: u64) {
        run(seed, 2, 60);
    }

    #[test]
    fn with_three_replicas_too(seed: u64) {
        run(seed, 3, 60);
    }

    #[test]
    fn for_longer_too(seed: u64) {
        run(seed, 2, 130);
    }

    /// One Envoy, and no bell.
    #[test]
    fn by_long_polls_too(seed: u64) {
        run(seed, 1, 60);
    }
}

/// What has broken the law once: with two replicas, of which one had died, had missed rings, or was refused by Coder in the midst of a reading; and what a list
/// had shown was told twice to have gone.
#[test]
fn what_once_broke_it() {
    for seed in [
        12_121_333_691_555_196_481,
        17_716_232_751_831_628_136,
        16_008_592_144_199_512_513,
        4_550_769_233_828_200_275,
        4_715_068_765_690_406_845,
        14_792_350_683_297_753_978,
        14_910_123_070_966_905_045,
    ] {
        run(seed, 2, 60);
    }
    // With three, a worker whose clock was some milliseconds late had taken another's turn away.
    run(13_122_637_960_377_366_802, 3, 60);
}

fn go_on(world: &mut World, seconds: i64) {
    (0..seconds * 1000 / STEP).for_each(|_| world.step(false));
}

/// Replicas with a bell, and some settings, that know three workspaces.
fn quiet(seed: u64, replicas: usize, settings: &str) -> (World, [String; 3]) {
    let mut world = World::new(seed, replicas, true, settings);
    let ids = ["ws0", "ws1", "ws2"].map(|name| world.coder.make(name.to_owned(), START, 300).unwrap());
    go_on(&mut world, 40);
    everybody_knows(&world, seed);
    (world, ids)
}

/// What happens is told within so many seconds.
fn is_told(world: &mut World, ids: &[String; 3], seed: u64, seconds: i64) {
    world.coder.build(&ids[0], "stop", world.now, 1_500);
    world.coder.build(&ids[1], "delete", world.now, 500);
    go_on(world, seconds);
    everybody_knows(world, seed);
}

/// Whoever leads gives way when Coder is down; when it is back somebody leads.
#[test]
fn when_coder_is_back_somebody_leads() {
    for (seed, replicas) in (1..=6).zip([1, 2].into_iter().cycle()) {
        let (mut world, ids) = quiet(seed, replicas, SELDOM);
        world.coder.down_until = world.now + 60_000;
        go_on(&mut world, 62);
        is_told(&mut world, &ids, seed, 40);
    }
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    for (seed, replicas) in (1..=4).zip([1, 2].into_iter().cycle()) {
        let (mut world, ids) = quiet(seed, replicas, r#""readingSeconds":30"#);
        world.set_back(3_600_000);
        is_told(&mut world, &ids, seed, 20);
        world.coder.change(&ids[2]);
        go_on(&mut world, 60);
        everybody_knows(&world, seed);
    }
}

#[test]
fn where_nobody_watches_coder_is_left_alone_whatever_the_clock_does() {
    for (seed, replicas) in (1..=4).zip([1, 2].into_iter().cycle()) {
        let (mut world, _) = quiet(seed, replicas, SELDOM);
        world.all_move_to(0, 300_000);
        world.set_back(3_600_000);
        world.clients.iter_mut().for_each(|client| client.not_before = world.now + 300_000);
        go_on(&mut world, 130);
        let asked = world.asked;
        go_on(&mut world, 60);
        assert_eq!(world.asked, asked, "seed {seed}");
    }
}

/// Also where it would not be asked again before everybody takes it for dead.
#[test]
fn one_failure_of_coder_is_no_reason_to_give_way() {
    for seed in 1..=4 {
        let (mut world, ids) = quiet(seed, 2, r#""readingSeconds":3600,"pollSeconds":60"#);
        let leads = world.leader;
        world.coder.fails.set(1);
        go_on(&mut world, 150);
        assert_eq!((world.coder.fails.get(), world.leader), (0, leads), "seed {seed}");
        is_told(&mut world, &ids, seed, 75);
    }
}

/// Then readings alone find what happens, and they are as seldom as they are said to be.
#[test]
fn where_jobs_are_hidden_coder_is_not_read_more_often() {
    for (seed, replicas) in (1..=4).zip([1, 2].into_iter().cycle()) {
        let (mut world, ids) = quiet(seed, replicas, r#""readingSeconds":60"#);
        world.coder.hides_jobs = true;
        world.coder.change(&ids[2]);
        go_on(&mut world, 90);
        everybody_knows(&world, seed);
        let asked = world.asked;
        go_on(&mut world, 120);
        assert!(world.asked - asked < 20, "seed {seed}: {} calls", world.asked - asked);
    }
}

/// A reading that comes seldom tells what has changed, and is no new beginning.
#[test]
fn what_makes_no_job_is_told_by_the_next_reading() {
    for seed in 1..=2 {
        let (mut world, ids) = quiet(seed, 2, r#""readingSeconds":400"#);
        go_on(&mut world, 400);
        world.coder.change(&ids[2]);
        go_on(&mut world, 500);
        everybody_knows(&world, seed);
    }
}

/// Whoever may read the Lease and not write it leads.
#[test]
fn who_cannot_say_that_he_leads_leads() {
    for seed in 1..=6 {
        let mut world = World::new(seed, 2, true, SELDOM);
        world.silent = true;
        let ids = ["ws0", "ws1", "ws2"].map(|name| world.coder.make(name.to_owned(), START, 300).unwrap());
        go_on(&mut world, 20);
        everybody_knows(&world, seed);
        is_told(&mut world, &ids, seed, 20);
    }
}

/// An Envoy that has read Coder for all dies without a farewell. Where full readings are seldom, what happens meanwhile is told all the same as soon as
/// another has taken its place: jobs, and what makes none.
#[test]
fn who_takes_over_finds_what_has_happened_meanwhile() {
    for seed in 1..=6 {
        let (mut world, ids) = quiet(seed, 2, SELDOM);
        world.process_dies(world.leader);
        go_on(&mut world, 2);
        world.coder.build(&ids[0], "stop", world.now, 1_500);
        world.coder.build(&ids[1], "delete", world.now, 500);
        world.coder.change(&ids[2]);
        // That it is gone is believed after 15 seconds, and looked for every five; then Coder is read.
        go_on(&mut world, 15 + 5 + 8);
        everybody_knows(&world, seed);
    }
}

/// As above, and a workspace that only the newcomer has ever shown is made and deleted meanwhile: those who go on elsewhere are told.
#[test]
fn who_takes_over_finds_what_was_made_and_deleted_meanwhile() {
    for seed in 1..=6 {
        let (mut world, _) = quiet(seed, 2, r#""readingSeconds":10"#);
        go_on(&mut world, 80);
        let newcomer = world.leader;
        world.process_dies(newcomer);
        let id = world.coder.make("brief".to_owned(), world.now, 300).unwrap();
        world.all_move_to(newcomer, 500);
        go_on(&mut world, 8);
        everybody_knows(&world, seed);
        world.coder.build(&id, "delete", world.now, 500);
        world.all_move_to(1 - newcomer, 1_000);
        go_on(&mut world, 30);
        everybody_knows(&world, seed);
    }
}

/// A replica without streams hears no rings: what was made and deleted meanwhile, and shown by another, is told to those who come over. So it is after a
/// time in which nobody watched at all.
#[test]
fn who_has_heard_nothing_finds_what_was_made_and_deleted_meanwhile() {
    for (seed, away) in (1..=8).zip([3_000, 100_000].into_iter().cycle()) {
        let (mut world, ids) = quiet(seed, 2, r#""readingSeconds":10"#);
        go_on(&mut world, 170);
        let deaf = usize::try_from(seed / 2 % 2).unwrap();
        world.all_move_to(1 - deaf, 0);
        go_on(&mut world, 10);
        let id = world.coder.make("brief".to_owned(), world.now, 300).unwrap();
        go_on(&mut world, 5);
        everybody_knows(&world, seed);
        world.coder.build(&id, "delete", world.now, 200);
        world.all_move_to(deaf, away);
        go_on(&mut world, 1);
        world.coder.build(&ids[0], "stop", world.now, 200);
        go_on(&mut world, away / 1000 + 20);
        everybody_knows(&world, seed);
    }
}
