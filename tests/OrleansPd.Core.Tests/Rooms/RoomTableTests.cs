using System.Collections.Immutable;
using System.Diagnostics;
using OrleansPd.Core.Admission;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.Workers;
using OrleansPd.Testing;

namespace OrleansPd.Core.Tests.Rooms;

/// <summary>Not run in parallel: allocations of other tests would be counted as the table's.</summary>
[CollectionDefinition(nameof(RoomTableTests), DisableParallelization = true)]
public class MeasuresMemory;

[Collection(nameof(RoomTableTests))]
public class RoomTableTests(ITestOutputHelper output)
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Ttl = TimeSpan.FromSeconds(120);
    private static readonly WorkerSnapshot Prefill = Worker(WorkerRole.Prefill, "p", 0);
    private static readonly WorkerSnapshot Other = Worker(WorkerRole.Prefill, "q", 1);
    private static readonly WorkerSnapshot Decode = Worker(WorkerRole.Decode, "d", 2);

    [Fact]
    public void F17_Another_rank_for_a_room_is_refused_and_counted_until_the_first_process_has_ended()
    {
        var table = new RoomTable(Ttl, 100);
        Assert.Equal(RankRegistration.Stored, table.Register(17, 3, Prefill, Start));
        Assert.Equal(RankRegistration.Conflict, table.Register(17, 2, Prefill, Start));
        Assert.Equal(RankRegistration.Conflict, table.Register(17, 3, Other, Start));
        Assert.Equal((3, Prefill), (table.Owner(17, Start)!.Value.Rank, table.Owner(17, Start)!.Value.Prefill));
        Assert.Equal(2, table.Stats.Conflicts);

        table.NewEpoch(Prefill.Slot);

        // The next epoch of the engine does not know the room: its registration must not replace the owner.
        Assert.Equal(RankRegistration.Stored, table.Register(17, 2, Prefill, Start));
        Assert.Equal((2, 2L), (table.Owner(17, Start)!.Value.Rank, table.Stats.Conflicts));
    }

    /// <summary>SGLang's own server drops a room after one to two of its sweeps, 120 to 240 s.</summary>
    [Theory]
    [InlineData(119, true)]
    [InlineData(121, false)]
    [InlineData(241, false)]
    public void F19_A_room_is_known_for_120_s_and_that_of_a_lease_until_the_lease_ends(int seconds, bool known)
    {
        var later = Start + TimeSpan.FromSeconds(seconds);
        foreach (var swept in new[] { false, true })
        {
            var table = new RoomTable(TimeSpan.FromSeconds(new ControlPlaneOptions().RoomTtlSecs), 100);
            table.Register(17, 3, null, Start);
            Open(table, Lease(18, rank: 2));

            if (swept)
                table.Sweep(later);

            Assert.Equal(known ? 3 : null, table.Owner(17, later)?.Rank);
            Assert.Equal(2, table.Owner(18, later)!.Value.Rank);
        }
    }

    [Fact]
    public void The_first_rank_stands_and_another_is_refused_and_counted()
    {
        var table = new RoomTable(Ttl, 100);
        Assert.Equal(RankRegistration.Stored, table.Register(17, 3, null, Start));
        Assert.Equal(RankRegistration.Conflict, table.Register(17, 2, null, Start));
        Assert.Equal(3, table.Owner(17, Start)!.Value.Rank);
        Assert.Null(table.Owner(18, Start));
        Assert.Equal((1, 1L, 1L), (table.Count, table.Stats.Registered, table.Stats.Conflicts));
    }

    [Fact]
    public void Age_counts_from_the_last_registration_and_asking_does_not_count()
    {
        var table = new RoomTable(Ttl, 100);
        table.Register(17, 3, null, Start);
        table.Register(17, 3, null, Start + Ttl / 2);
        Assert.NotNull(table.Owner(17, Start + Ttl));
        Assert.Null(table.Owner(17, Start + Ttl * 1.5));
        Assert.Equal(RankRegistration.Stored, table.Register(17, 1, null, Start + Ttl * 1.5));
        Assert.Equal(1, table.Stats.Expired);
    }

    [Fact]
    public void A_leased_room_outlives_its_age_and_goes_with_the_lease()
    {
        var table = new RoomTable(Ttl, 100);
        var lease = Lease(17, rank: 2);
        Open(table, lease);
        var late = Start + Ttl * 10;
        table.Sweep(late);
        Assert.Equal(new RoomOwner(Prefill, 2, Decode), table.Owner(17, late));
        Assert.Equal(RankRegistration.Conflict, table.Register(17, 1, null, late));
        Assert.Equal(RankRegistration.Conflict, table.Register(17, 2, Other, late));
        Assert.Equal(RankRegistration.Stored, table.Register(17, 2, Prefill, late));
        table.Close(lease.Room);
        Assert.Equal((0, 0), (table.Count, table.Stats.Pinned));
        table.Close(lease.Room);
        Assert.Equal(1, table.Stats.Closed);
    }

    [Fact]
    public void If_the_engine_chooses_the_rank_the_room_has_no_owner_until_it_registers()
    {
        var table = new RoomTable(Ttl, 100);
        table.Open(17, Prefill, -1, Decode);
        Assert.Equal(-1, table.Owner(17, Start)!.Value.Rank);
        Assert.Equal(RankRegistration.Stored, table.Register(17, 3, Prefill, Start));
        Assert.Equal(3, table.Owner(17, Start)!.Value.Rank);
        Assert.Equal(RankRegistration.Conflict, table.Register(17, 0, Prefill, Start));
    }

    [Fact]
    public void A_prefill_with_one_rank_enters_no_room()
    {
        var rooms = new RoomBook(new ControlPlaneOptions(), new RoomMint(1, 0));
        var prefill = Worker(WorkerRole.Prefill, "one", 3, dp: 1);
        Assert.Single(rooms.Open(prefill, 0, Decode, 1));
        rooms.Close(Lease(17, rank: 0, prefill));
        Assert.Equal(default, rooms.Table.Stats);
    }

    [Fact]
    public void Rooms_of_a_former_process_are_void()
    {
        var table = new RoomTable(Ttl, 100);
        var lease = Lease(17, rank: 2);
        Open(table, lease);
        table.Register(18, 1, Prefill, Start);
        table.Register(19, 1, Other, Start);
        table.NewEpoch(Prefill.Slot);
        Assert.Null(table.Owner(17, Start));
        Assert.Null(table.Owner(18, Start));
        Assert.Equal(1, table.Owner(19, Start)!.Value.Rank);
        Assert.Equal(RankRegistration.Conflict, table.Register(17, 2, Prefill, Start));
        Assert.Equal(RankRegistration.Stored, table.Register(18, 0, Prefill, Start));
        table.Close(lease.Room);
        table.Sweep(Start + Ttl);
        Assert.Equal(0, table.Count);
    }

    [Fact]
    public void A_full_table_refuses_and_drops_nothing_that_is_young_or_leased()
    {
        var table = new RoomTable(Ttl, 3);
        var lease = Lease(1, rank: 2);
        Open(table, lease);
        table.Register(2, 0, null, Start);
        table.Register(3, 0, null, Start + Ttl / 2);
        Assert.Equal(RankRegistration.Full, table.Register(4, 0, null, Start + Ttl / 2));
        Open(table, Lease(5, rank: 1));
        Assert.Equal((3, 2L), (table.Count, table.Stats.Refused));
        Assert.Equal(RankRegistration.Stored, table.Register(4, 0, null, Start + Ttl));
        Assert.NotNull(table.Owner(1, Start + Ttl));
        Assert.NotNull(table.Owner(3, Start + Ttl));
        Assert.Null(table.Owner(2, Start + Ttl));
    }

    /// <summary>Any order of events: the table agrees with a plain list of the events, and no room is lost.</summary>
    [Fact]
    public void Every_room_closes_or_expires_and_no_leased_one_vanishes() => SeededRandom.ForEachSeed(150, random =>
    {
        var most = random.Next(8, 400);
        var table = new RoomTable(Ttl, most);
        var now = Start;
        var live = new List<(PairLease Lease, bool Held, bool Void)>();
        var young = new Dictionary<long, (int Rank, DateTimeOffset Until)>();
        long next = 1;
        for (var step = 0; step < 2_000; step++)
        {
            switch (random.Next(10))
            {
                case < 3:
                    var lease = Lease(1_000_000 + next++, random.Next(4));
                    var room = table.Count < most;
                    Open(table, lease);
                    live.Add((lease, room, false));
                    break;
                case < 6 when live.Count > 0:
                    var ended = random.Next(live.Count);
                    table.Close(live[ended].Lease.Room);
                    live.RemoveAt(ended);
                    break;
                case < 8:
                    var (number, rank) = (random.Next(300), random.Next(4));
                    var known = young.TryGetValue(number, out var entry) && entry.Until > now;
                    var outcome = table.Register(number, rank, null, now);
                    Assert.True(outcome == RankRegistration.Full ? !known && table.Count == most
                        : outcome == (known && entry.Rank != rank ? RankRegistration.Conflict : RankRegistration.Stored));
                    if (outcome == RankRegistration.Stored)
                        young[number] = (rank, now + Ttl);
                    break;
                case 8:
                    now += TimeSpan.FromSeconds(random.Next(1, 40));
                    break;
                default:
                    if (random.Next(20) == 0)
                    {
                        table.NewEpoch(Prefill.Slot);
                        live = [.. live.Select(l => l with { Void = true })];
                    }
                    table.Sweep(now);
                    break;
            }
            foreach (var (lease, held, isVoid) in live)
                Assert.Equal(held && !isVoid ? lease.PrefillRank : null, table.Owner(lease.Room, now)?.Rank);
            var sample = random.Next(300);
            Assert.Equal(young.TryGetValue(sample, out var kept) && kept.Until > now ? kept.Rank
                : null, table.Owner(sample, now)?.Rank);
            Conserved(table);
            Assert.Equal(live.Count(l => l.Held), table.Stats.Pinned);
        }
        live.ForEach(l => table.Close(l.Lease.Room));
        table.Sweep(now + Ttl);
        Assert.Equal(0, table.Count);
        Conserved(table);
    });

    [Fact]
    public void F20_A_million_rooms_whose_legs_vanish_leave_no_memory_behind()
    {
        var table = new RoomTable(Ttl, 1_000_000);
        var leases = Enumerable.Range(1, 1_000).Select(i => Lease(i * 1_048_576L, rank: 2)).ToArray();
        Cycle(2);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var started = Stopwatch.GetTimestamp();
        Cycle(1_000);
        var each = Stopwatch.GetElapsedTime(started).TotalNanoseconds / 1_000_000;
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 0, 4096);
        output.WriteLine($"open and close: {each:F0} ns a room");

        var now = Start;
        for (var room = 1L; room <= 1_000_000; room++)
            Assert.Equal(RankRegistration.Stored, table.Register(room, 1, null, now));
        output.WriteLine($"a million rooms: {(GC.GetTotalMemory(true) - before) / 1e6:F0} MB");
        Assert.Equal(RankRegistration.Full, table.Register(-1, 1, null, now));
        for (var second = 0; second < 200; second++)
            table.Sweep(now += TimeSpan.FromSeconds(1));
        Assert.Equal(0, table.Count);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 1_000_000);

        void Cycle(int times)
        {
            for (var i = 0; i < times; i++)
            {
                foreach (var lease in leases)
                    Open(table, lease);
                foreach (var lease in leases)
                    table.Close(lease.Room);
            }
        }
    }

    [Fact]
    public void Leases_enter_and_remove_their_rooms_with_and_without_a_wait()
    {
        var fleet = new TestFleet().With(1, 1, dp: 2, slots: 1);
        var leases = new List<PairLease> { fleet.Take(), fleet.Take() };
        fleet.Wait(new PairRequest());
        Assert.Equal(2, fleet.State.Rooms.Pinned);
        Assert.Equal(leases[0].PrefillRank, fleet.State.QueryRank(leases[0].Room, fleet.Now));
        fleet.End(leases[0], LegSide.Prefill);
        Assert.Equal(2, fleet.State.Rooms.Pinned);
        fleet.End(leases[0], LegSide.Decode);
        leases.AddRange(fleet.Granted().Select(waiting => waiting.Grant!.Value.Lease!));
        Assert.Equal(3, leases.Count);
        Assert.Equal((2, 3L, 1L), (fleet.State.Rooms.Pinned, fleet.State.Rooms.Opened, fleet.State.Rooms.Closed));
        fleet.EndBoth(leases[1]);
        fleet.EndBoth(leases[2]);
        Assert.Equal(0, fleet.State.Rooms.Held);
    }

    [Fact]
    public void A_restarted_prefill_knows_none_of_its_former_rooms()
    {
        var fleet = new TestFleet().With(1, 1, dp: 2);
        var lease = fleet.Take();
        Assert.Equal(lease.PrefillRank, fleet.State.QueryRank(lease.Room, fleet.Now));
        fleet.Apply(lease.Prefill!.Id, new WorkerInput.Described(TestFleet.Facts(2, identity: "seed=2")));
        Assert.Equal(-1, fleet.State.QueryRank(lease.Room, fleet.Now));
        fleet.EndBoth(lease, LegOutcome.Failed);
        Assert.Equal(0, fleet.State.Rooms.Held);
    }

    private static void Open(RoomTable table, PairLease lease) =>
        table.Open(lease.Room, lease.Prefill!, lease.PrefillRank, lease.Decode);

    private static void Conserved(RoomTable table)
    {
        var stats = table.Stats;
        Assert.Equal(stats.Opened + stats.Entered, stats.Closed + stats.Expired + stats.Held);
    }

    private static HeldLease Lease(long room, int rank, WorkerSnapshot? prefill = null) => new()
    {
        Id = room,
        Prefill = prefill ?? Prefill,
        PrefillRank = rank,
        Decode = Decode,
        Rooms = new[] { room },
        Items = 1,
        PrefillTokens = 0,
        DecodeTokens = 0,
        Started = 0,
    };

    private static WorkerSnapshot Worker(WorkerRole role, string host, int slot, int dp = 4) => new()
    {
        Id = new WorkerId(host),
        Url = new Uri($"http://{host}:30000"),
        Role = role,
        Phase = WorkerPhase.Ready,
        Epoch = 1,
        Slot = slot,
        Facts = new WorkerFacts { DpSize = dp },
        Labels = ImmutableDictionary<string, string>.Empty,
    };
}
