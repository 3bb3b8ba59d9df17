using OrleansPd.Core.Credits;

namespace OrleansPd.Core.Tests.Credits;

public class CreditLedgerTests
{
    private static readonly CreditLimits Limits = CreditLimits.Default;
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private long _sequence;

    private CreditGrant? Ask(CreditLedger ledger, string gateway, int held, int running, int wanted) => ledger.Sync(
        new CreditClaim { Gateway = gateway, Sequence = ++_sequence, Ranks = [new RankClaim(held, running, wanted, running, 0)] },
        _now);

    private CreditLedger Ledger(int slots, bool learn = false)
    {
        var ledger = new CreditLedger(1, Limits, learn, _now);
        ledger.SetCapacity([slots]);
        return ledger;
    }

    [Theory]
    [InlineData(4, new[] { 0, 0 }, new[] { 2, 2 })]
    [InlineData(4, new[] { 9, 0 }, new[] { 4, 0 })]
    [InlineData(4, new[] { 1, 0 }, new[] { 3, 1 })]
    [InlineData(9, new[] { 9, 9, 1 }, new[] { 4, 4, 1 })]
    [InlineData(5, new[] { 9, 9 }, new[] { 3, 2 })]
    [InlineData(0, new[] { 9, 9 }, new[] { 0, 0 })]
    [InlineData(1, new[] { 1, 1, 1 }, new[] { 1, 0, 0 })]
    public void Places_are_divided_by_need_and_the_rest_evenly(int slots, int[] needs, int[] expected)
    {
        var shares = new int[needs.Length];
        Shares.Divide(slots, needs, shares, turn: 0);
        Assert.Equal(expected, shares);
    }

    [Fact]
    public void One_slot_rotates_among_gateways()
    {
        var got = new HashSet<int>();
        for (var turn = 0; turn < 3; turn++)
        {
            var shares = new int[3];
            Shares.Divide(1, [1, 1, 1], shares, turn);
            got.Add(Array.IndexOf(shares, 1));
        }
        Assert.Equal(3, got.Count);
    }

    [Fact]
    public void Returned_credits_are_granted_to_others_only_after_the_report()
    {
        var ledger = Ledger(4);
        Assert.Equal(4, Ask(ledger, "a", 0, 0, 0)!.Ranks[0].Credits);
        Assert.Equal(0, Ask(ledger, "b", 0, 0, 4)!.Ranks[0].Credits);
        Assert.Equal(0, Ask(ledger, "a", 4, 0, 0)!.Ranks[0].Credits); // must give credits back, and has not confirmed it yet
        Assert.Equal(0, Ask(ledger, "b", 0, 0, 4)!.Ranks[0].Credits); // the answer may have been lost
        Assert.Equal(0, Ask(ledger, "a", 0, 0, 0)!.Ranks[0].Credits);
        Assert.Equal(4, Ask(ledger, "b", 0, 0, 4)!.Ranks[0].Credits);
    }

    [Fact]
    public void Figures_of_a_rank_are_the_sums_over_gateways_and_zero_for_a_rank_that_a_gateway_does_not_know()
    {
        var ledger = new CreditLedger(1, Limits, learn: false, _now);
        ledger.SetCapacity([8, 8]);
        ledger.Sync(new CreditClaim { Gateway = "a", Sequence = 1, Ranks = [new(2, 2, 0, 5, 70), new(1, 1, 0, 1, 10)] }, _now);
        ledger.Sync(new CreditClaim { Gateway = "b", Sequence = 1, Ranks = [new(3, 3, 0, 3, 30)] }, _now);

        Assert.Equal(6, ledger.Running);
        Assert.Equal((5, 1, 0), (ledger.RunningOn(0), ledger.RunningOn(1), ledger.RunningOn(2)));
        Assert.Equal((100L, 10L, 0L), (ledger.TokensOn(0), ledger.TokensOn(1), ledger.TokensOn(2)));
        Assert.Equal(19, ledger.Held); // a was granted all 16, and b reports that it holds 3
        // The maximum since the last call, then what runs now.
        Assert.Equal((8, 1), (ledger.TakePeak(0), ledger.TakePeak(1)));
        Assert.Equal((5, 0), (ledger.TakePeak(0), ledger.TakePeak(2)));
    }

    [Fact]
    public void Foreign_load_takes_slots_but_never_the_last_one_and_an_unknown_rank_has_none()
    {
        var ledger = Ledger(4);
        ledger.SetForeign(0, 3, 300);
        ledger.SetForeign(1, 9, 900); // no such rank
        Assert.Equal((3, 0, 0), (ledger.Foreign(0), ledger.Foreign(1), ledger.Foreign(2)));
        Assert.Equal(1, ledger.Slots(0));
        ledger.SetForeign(0, 9, 900);
        Assert.Equal(1, ledger.Slots(0));
        Assert.Equal(0, Ledger(0).Slots(0));
    }

    [Fact]
    public void A_gateway_that_leaves_or_died_holds_its_credits_until_it_is_removed()
    {
        var ledger = Ledger(4);
        Assert.Equal(4, Ask(ledger, "a", 0, 0, 4)!.Ranks[0].Credits);
        Assert.False(ledger.IsClearing);
        Assert.False(ledger.BeginClearing("unknown"));
        Assert.True(ledger.BeginClearing("a"));
        Assert.False(ledger.BeginClearing("a"));
        Assert.True(ledger.IsClearing);
        Assert.Null(Ask(ledger, "a", 4, 4, 0));
        Assert.Equal(0, Ask(ledger, "b", 0, 0, 4)!.Ranks[0].Credits);
        ledger.Remove("a");
        Assert.False(ledger.IsClearing);
        Assert.Equal(4, Ask(ledger, "b", 0, 0, 4)!.Ranks[0].Credits);

        var last = ledger.Sync(new CreditClaim { Gateway = "b", Sequence = ++_sequence, IsLeaving = true }, _now)!;
        Assert.Equal((TimeSpan.Zero, 0), (last.ValidFor, ledger.Gateways.Count()));
    }

    [Fact]
    public void Credits_are_overdue_when_their_gateway_has_not_reported_for_longer_than_they_are_valid()
    {
        var ledger = Ledger(4);
        Ask(ledger, "a", 0, 0, 4);
        _now += Limits.ValidFor;
        Assert.Empty(ledger.Overdue(_now));
        _now += TimeSpan.FromTicks(1);
        Assert.Equal(["a"], ledger.Overdue(_now));
        ledger.BeginClearing("a");
        Assert.Empty(ledger.Overdue(_now));
    }

    [Fact]
    public void A_claim_that_was_overtaken_is_not_believed()
    {
        var ledger = Ledger(4);
        Assert.NotNull(ledger.Sync(new CreditClaim { Gateway = "a", Sequence = 2, Ranks = [new(0, 0, 4, 0, 0)] }, _now));
        Assert.Null(ledger.Sync(new CreditClaim { Gateway = "a", Sequence = 1, Ranks = [new(0, 0, 0, 0, 0)] }, _now));
        Assert.Equal(0, Ask(ledger, "b", 0, 0, 4)!.Ranks[0].Credits);
    }

    [Fact]
    public void A_new_activation_grants_no_more_than_claimed_until_all_gateways_have_reported()
    {
        var ledger = Ledger(4, learn: true);
        Assert.Equal(0, Ask(ledger, "new", 0, 0, 4)!.Ranks[0].Credits);
        Assert.Equal(3, Ask(ledger, "old", 3, 2, 0)!.Ranks[0].Credits);
        _now += Limits.Learn;
        Assert.Equal(1, Ask(ledger, "new", 0, 0, 4)!.Ranks[0].Credits);
    }

    [Fact]
    public void Credits_of_a_dead_gateway_stay_in_use_until_its_requests_are_aborted()
    {
        var ledger = Ledger(4);
        Assert.Equal(4, Ask(ledger, "dead", 0, 0, 4)!.Ranks[0].Credits);
        Assert.True(ledger.BeginClearing("dead"));
        Assert.False(ledger.BeginClearing("dead"));
        Assert.Equal(0, Ask(ledger, "b", 0, 0, 4)!.Ranks[0].Credits);
        Assert.Null(Ask(ledger, "dead", 4, 4, 0));
        ledger.Remove("dead");
        Assert.Equal(4, Ask(ledger, "b", 0, 0, 4)!.Ranks[0].Credits);
    }

    [Fact]
    public void A_gateway_that_is_silent_for_too_long_is_overdue()
    {
        var ledger = Ledger(4);
        Ask(ledger, "a", 0, 0, 4);
        _now += Limits.ValidFor;
        Assert.Empty(ledger.Overdue(_now));
        _now += TimeSpan.FromTicks(1);
        Assert.Equal(["a"], ledger.Overdue(_now));
    }

    [Theory]
    [InlineData(1, 3)]
    [InlineData(4, 3)]
    [InlineData(7, 5)]
    [InlineData(64, 2)]
    public void Requests_in_flight_never_exceed_the_slots_whatever_is_lost_late_or_dead(int slots, int gateways)
    {
        for (var seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            var ledger = Ledger(slots);
            var model = Enumerable.Range(0, gateways).Select(i => new ModelGateway($"{seed}-{i}")).ToList();
            var served = 0;
            for (var step = 0; step < 800; step++)
            {
                _now += TimeSpan.FromMilliseconds(random.Next(50));
                var gateway = model[random.Next(model.Count)];
                switch (random.Next(12))
                {
                    case <= 5:
                        gateway.Sync(ledger, _now, lost: random.Next(10) == 0, late: random.Next(10) == 0);
                        break;
                    case <= 8:
                        served += gateway.Start() ? 1 : 0;
                        break;
                    case <= 10:
                        gateway.End();
                        break;
                    default:
                        if (random.Next(8) == 0)
                        {
                            // The gateway dies; its work is aborted, and only then forgotten by the ledger.
                            ledger.BeginClearing(gateway.Name);
                            gateway.Running = 0;
                            ledger.Remove(gateway.Name);
                            model[model.IndexOf(gateway)] = new ModelGateway($"{gateway.Name}'");
                        }
                        else if (random.Next(8) == 0)
                        {
                            // The writer moves: the new one knows nothing, and learns from the gateways.
                            ledger = Ledger(slots, learn: true);
                        }
                        break;
                }
                // The writer waits long enough for all to speak: here they do.
                if (ledger.IsLearning(_now) && _now.Ticks % 5 == 0)
                {
                    model.ForEach(g => g.Sync(ledger, _now, lost: false, late: false));
                    ledger.EndLearning();
                }
                Assert.True(model.Sum(
                    g => g.Running) <= slots, $"seed {seed}, step {step}: {model.Sum(g => g.Running)} of {slots}");
            }
            Assert.True(served > 0, $"seed {seed}: nothing was served");
        }
    }

    private sealed class ModelGateway(string name)
    {
        private CreditClaim? _late;
        private long _sequence;
        private int _window;

        public string Name { get; } = name;

        public int Running { get; set; }

        public bool Start()
        {
            var may = Running < _window;
            Running += may ? 1 : 0;
            return may;
        }

        public void End() => Running = Math.Max(0, Running - 1);

        public void Sync(CreditLedger ledger, DateTimeOffset now, bool lost, bool late)
        {
            if (_late is { } old)
            {
                _ = ledger.Sync(old, now); // arrives after a later one; its answer is not awaited
                _late = null;
            }
            var claim = new CreditClaim
            {
                Gateway = Name,
                Sequence = ++_sequence,
                Ranks = [new RankClaim(Math.Max(_window, Running), Running, 3, Running, 0)],
            };
            if (late)
            {
                _late = claim;
                return;
            }
            if (ledger.Sync(claim, now) is { } grant && !lost)
                _window = grant.Ranks[0].Credits;
        }
    }
}
