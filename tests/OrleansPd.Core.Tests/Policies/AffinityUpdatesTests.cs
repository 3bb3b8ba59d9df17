using System.Collections.Immutable;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Options;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Policies;

/// <summary>Gateways that exchange the ranks of prefixes and sessions choose like one gateway.</summary>
public class AffinityNewsTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static GatewayState Gateway(string name, int prefix, string policy, params string[] prefills)
    {
        var options = new ControlPlaneOptions { Policy = "least_load", PrefillPolicy = policy };
        var gateway = new GatewayState(options, GatewayLimits.Default, name, new RoomMint(prefix, 0), seed: prefix);
        var reports = prefills.Select(host => Report(host, WorkerRole.Prefill)).Append(Report("d0", WorkerRole.Decode))
            .ToImmutableArray();
        gateway.Tick(Now, Now.UtcTicks);
        gateway.Apply(reports, Now, Now.UtcTicks);
        foreach (var (id, registration) in gateway.Tracked)
        {
            // Twice: what is granted before the worker was known to be usable does not count.
            for (var i = 0; i < 2; i++)
            {
                var report = gateway.NextReport(id, registration, Now.UtcTicks, TimeSpan.TicksPerSecond)!;
                var grant = new CreditGrant
                {
                    Ledger = 1,
                    ValidFor = TimeSpan.FromHours(1),
                    Ranks = [new RankGrant(1000, 1000, 0, 0), new RankGrant(1000, 1000, 0, 0)],
                };
                gateway.Answered(id, report, new ReportAnswer(grant, report.Batch, IsKnown: true), Now, Now, Now.UtcTicks);
            }
        }
        return gateway;
    }

    private static WorkerReport Report(string host, WorkerRole role)
    {
        var spec = new WorkerSpec { Url = new Uri($"http://{host}:30000"), Role = role };
        var first = new WorkerMember(WorkerAddress.IdOf(spec.Url), spec, 1).FirstReport(Now);
        return first with
        {
            Writer = 1,
            Version = 1,
            Snapshot = first.Snapshot with
            {
                Phase = WorkerPhase.Ready,
                Facts = TestFleet.Facts(dp: 2, slots: 1000),
                Model = "m",
            },
        };
    }

    private static (WorkerId Worker, int Rank) Ask(GatewayState gateway, ulong[] blocks, ulong session = 0)
    {
        var request = new PairRequest { PrefixBlocks = blocks, PromptTokens = blocks.Length * 128, SessionKey = session };
        var answer = gateway.Acquire(request, Now, Now.UtcTicks);
        var lease = answer.Grant?.Lease ?? throw new InvalidOperationException(answer.Grant?.Refusal?.ToString() ?? "it waits");
        gateway.LegEnded(lease, LegSide.Prefill, LegOutcome.Succeeded, Now, Now.UtcTicks);
        gateway.LegEnded(lease, LegSide.Decode, LegOutcome.Succeeded, Now, Now.UtcTicks);
        return (lease.Prefill!.Id, lease.PrefillRank);
    }

    private static ulong[] Prompt(int number, int blocks) =>
        [.. Enumerable.Range(1, blocks).Select(i => ((ulong)number << 32) | (uint)i)];

    [Theory]
    [InlineData("cache_aware")]
    [InlineData("session")]
    public void A_prefix_placed_by_one_gateway_is_found_by_another(string policy)
    {
        // Numbered otherwise in each gateway: the words name workers, not slots.
        var (left, right) = (Gateway("a", 1, policy, "p0", "p1", "p2"), Gateway("b", 2, policy, "p2", "p0", "p1"));
        var homes = Enumerable.Range(1, 50).Select(i => Ask(left, Prompt(i, 40), (ulong)i)).ToArray();
        Assert.Equal(6, homes.Distinct().Count());
        Assert.True(right.Learn(left.TakeUpdates(all: false)!) > 0);
        for (var i = 1; i <= 50; i++)
            Assert.Equal(homes[i - 1], Ask(right, Prompt(i, 60), (ulong)i));
    }

    [Fact]
    public void Known_keys_are_not_sent_again_unless_a_gateway_has_joined()
    {
        var gateway = Gateway("a", 1, "cache_aware", "p0");
        Ask(gateway, Prompt(1, 40));
        var first = gateway.TakeUpdates(all: false)!;
        Assert.Null(gateway.TakeUpdates(all: false));
        var (worker, rank) = Ask(gateway, Prompt(1, 40));
        Assert.Null(gateway.TakeUpdates(all: true));
        Assert.Equal((worker, rank), Ask(gateway, Prompt(1, 40)));
        Assert.Equal(first.Words.Length, gateway.TakeUpdates(all: false)!.Words.Length);
    }

    [Fact]
    public void Only_the_new_end_of_a_conversation_is_sent()
    {
        var gateway = Gateway("a", 1, "cache_aware", "p0");
        Ask(gateway, Prompt(1, 30));
        Assert.Equal(1 + 30, gateway.TakeUpdates(all: false)!.Words.Length);
        Ask(gateway, Prompt(1, 32));
        Assert.Equal(1 + 2, gateway.TakeUpdates(all: false)!.Words.Length);
    }

    [Fact]
    public void Keys_that_are_not_taken_are_bounded()
    {
        var gateway = Gateway("a", 1, "cache_aware", "p0", "p1");
        for (var i = 1; i <= 2000; i++)
            Ask(gateway, Prompt(i, 40));
        Assert.InRange(gateway.TakeUpdates(all: false)!.Words.Length, AffinityUpdates.MaxWords - 64, AffinityUpdates.MaxWords);
    }

    [Fact]
    public void Words_that_make_no_sense_and_workers_that_are_unknown_change_nothing()
    {
        var gateway = Gateway("a", 1, "cache_aware", "p0");
        var id = WorkerAddress.IdOf(new Uri("http://p0:30000"));
        var nobody = WorkerAddress.IdOf(new Uri("http://p9:30000"));
        Assert.Equal(0, gateway.Learn(new AffinityUpdate([id], new ulong[] { 5 }))); // five keys, and none there
        Assert.Equal(0, gateway.Learn(new AffinityUpdate([id], new ulong[] { (1UL << 32) | 1, 7 }))); // the second of one worker
        Assert.Equal(0, gateway.Learn(new AffinityUpdate([id], new ulong[] { ulong.MaxValue, 1 })));
        Assert.Equal(0, gateway.Learn(new AffinityUpdate([nobody], new ulong[] { 1, 7 })));
        gateway.Learn(new AffinityUpdate([id], new ulong[] { (900UL << 17) | (1UL << 16) | 1, 7 })); // a rank that it does not have
        Ask(gateway, Prompt(1, 4));
    }
}
