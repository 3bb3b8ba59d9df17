using OrleansPd.Core.Load;
using OrleansPd.Core.Requests;
using OrleansPd.Testing;

namespace OrleansPd.Core.Tests.Load;

public class TransferLinksTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly TransferLinks _links = new();

    private (LegSide? Side, int Failures) Record(int prefill, int decode, bool good, DateTimeOffset now) =>
        _links.Record(prefill, decode, decodes: 3, prefills: 3, good, now);

    [Fact]
    public void One_failure_charges_no_worker_and_avoids_no_link()
    {
        Assert.Equal(default, Record(1, 10, false, Start));
        Assert.False(_links.AnyAvoided);
        Assert.False(_links.Avoids(1, 10));
    }

    [Fact]
    public void A_prefill_that_fails_with_three_partners_which_work_with_others_is_charged_with_all_failures()
    {
        Record(1, 10, false, Start);
        foreach (var decode in (int[])[10, 11, 12])
            Record(2, decode, true, Start);
        Assert.Equal(default, Record(1, 11, false, Start));
        Assert.Equal((LegSide.Prefill, 3), Record(1, 12, false, Start));
        Assert.Equal((LegSide.Prefill, 1), Record(1, 10, false, Start));
    }

    [Fact]
    public void A_decode_that_fails_with_every_prefill_is_charged()
    {
        Record(1, 10, false, Start);
        foreach (var prefill in (int[])[1, 2, 3])
            Record(prefill, 11, true, Start);
        Record(2, 10, false, Start);
        Assert.Equal((LegSide.Decode, 3), Record(3, 10, false, Start));
    }

    [Fact]
    public void A_link_that_fails_twice_in_a_row_is_avoided_and_tried_once_after_30_seconds()
    {
        for (var i = 0; i < 2; i++)
        {
            Record(1, 11, true, Start);
            Record(2, 10, true, Start);
            Assert.Equal(default, Record(1, 10, false, Start));
        }
        Assert.True(_links.Avoids(1, 10));
        Assert.False(_links.Avoids(1, 11));
        _links.Tick(Start.AddSeconds(29));
        Assert.True(_links.Avoids(1, 10));
        _links.Tick(Start.AddSeconds(30));
        Assert.False(_links.Avoids(1, 10));
        _links.Picked(1, 10);
        Assert.True(_links.Avoids(1, 10));
    }

    [Fact]
    public void A_link_that_fails_again_is_avoided_twice_as_long_and_one_that_works_not_at_all()
    {
        Record(1, 10, false, Start);
        Record(1, 10, false, Start);
        var now = Start.AddSeconds(30);
        _links.Tick(now);
        _links.Picked(1, 10);
        Record(1, 10, false, now);
        _links.Tick(now.AddSeconds(59));
        Assert.True(_links.Avoids(1, 10));
        _links.Tick(now.AddSeconds(60));
        Assert.False(_links.Avoids(1, 10));
        _links.Picked(1, 10);
        Record(1, 10, true, now.AddSeconds(60));
        Assert.False(_links.Avoids(1, 10));
    }

    [Fact]
    public void A_try_without_an_outcome_is_followed_by_another_after_30_seconds()
    {
        Record(1, 10, false, Start);
        Record(1, 10, false, Start);
        _links.Tick(Start.AddSeconds(30));
        _links.Picked(1, 10);
        _links.Tick(Start.AddSeconds(59));
        Assert.True(_links.Avoids(1, 10));
        _links.Tick(Start.AddSeconds(60));
        Assert.False(_links.Avoids(1, 10));
    }

    [Fact]
    public void A_new_process_in_a_slot_starts_without_a_record()
    {
        Record(1, 10, false, Start);
        Record(1, 10, false, Start);
        _links.Reset(10);
        Assert.False(_links.AnyAvoided);
        Assert.Equal(default, Record(1, 10, false, Start));
        Assert.False(_links.Avoids(1, 10));
    }

    [Fact]
    public void Failures_are_forgotten_after_some_minutes_without_one()
    {
        Record(1, 10, false, Start);
        for (var second = 1; second <= 130; second++)
            _links.Tick(Start.AddSeconds(second));
        Record(1, 11, false, Start.AddSeconds(131));
        Assert.Equal(default, Record(1, 12, false, Start.AddSeconds(131)));
    }

    /// <summary>
    /// N prefill and M decode workers with one fault: a bad network card of a worker (all its transfers fail, or half of them), a
    /// bad cable between two workers, or a bad switch port between two groups. The fault is found within 20 failures, and no
    /// other worker is charged.
    /// </summary>
    [Fact]
    public void The_worker_or_link_at_fault_is_found_within_20_failures_and_no_other_is_charged() =>
        SeededRandom.ForEachSeed(2_000, random =>
        {
            var (prefills, decodes) = (random.Next(2, 9), random.Next(2, 9));
            var fault = Fault.Random(random, prefills, decodes);
            var fleet = new Fleet(random, prefills, decodes, fault);
            fleet.Run(2_000);
            Assert.True(fleet.Charged.All(worker => worker == fault.Worker),
                $"{string.Join(", ", fleet.Charged)} charged, at fault {fault.Worker}, links {string.Join(' ', fault.Links)}, "
                    + $"{prefills}x{decodes}");
            Assert.True(fault.Worker is null || fleet.Charged.Count == 1 || fleet.OnlyAvoids(fault), $"{fault} was not found");
            Assert.True(fleet.FailuresUntilLastFind <= 20,
                $"{fault}: {fleet.FailuresUntilLastFind} failures, {prefills}x{decodes}, {fault.Links.Count} links");
            Assert.True(fleet.LateFailures <= fleet.Tries, $"{fault}: {fleet.LateFailures} failures after it was found");
        });

    [Fact]
    public void Rare_failures_everywhere_charge_no_worker() => SeededRandom.ForEachSeed(200, random =>
    {
        var fleet = new Fleet(random, random.Next(2, 9), random.Next(2, 9), new Fault(null, [], 0), noise: 0.002);
        fleet.Run(5_000);
        Assert.Empty(fleet.Charged);
    });

    /// <param name="Worker">The worker at fault; null: links are.</param>
    /// <param name="Links">The links that fail.</param>
    /// <param name="Rate">Share of their transfers that fail.</param>
    private sealed record Fault((LegSide Side, int Slot)? Worker, HashSet<(int Prefill, int Decode)> Links, double Rate)
    {
        public static Fault Random(Random random, int prefills, int decodes)
        {
            var p = random.Next(prefills);
            var d = 100 + random.Next(decodes);
            var all = Enumerable.Range(0, prefills).SelectMany(a => Enumerable.Range(100, decodes).Select(b => (a, b)));
            var half = random.Next(1, Math.Max(2, prefills / 2));
            var otherHalf = 100 + random.Next(1, Math.Max(2, decodes / 2));
            return random.Next(5) switch
            {
                0 => new((LegSide.Prefill, p), [.. all.Where(l => l.a == p)], 1),
                1 => new((LegSide.Decode, d), [.. all.Where(l => l.b == d)], 1),
                2 => new((LegSide.Prefill, p), [.. all.Where(l => l.a == p)], 0.5),
                3 => new(null, [(p, d)], 1),
                _ => new(null, [.. all.Where(l => l.a < half && l.b < otherHalf)], 1),
            };
        }
    }

    /// <summary>Requests that choose pairs at random among what is usable, one after the other, 10 a second.</summary>
    private sealed class Fleet(Random random, int prefills, int decodes, Fault fault, double noise = 0)
    {
        private readonly TransferLinks _links = new();
        private DateTimeOffset _now = Start;

        public HashSet<(LegSide Side, int Slot)> Charged { get; } = [];

        public int Failures { get; private set; }

        /// <summary>Failures that had happened when the last worker was charged or the last link was avoided.</summary>
        public int FailuresUntilLastFind { get; private set; }

        public int LateFailures => Failures - FailuresUntilLastFind;

        /// <summary>Times that an avoided link was used again to see whether it works.</summary>
        public int Tries { get; private set; }

        public bool OnlyAvoids(Fault found) => _links.AnyAvoided && _links.Avoided.All(found.Links.Contains);

        public void Run(int requests)
        {
            for (var i = 0; i < requests; i++)
            {
                _now += TimeSpan.FromMilliseconds(100);
                _links.Tick(_now);
                Request();
            }
        }

        private void Request()
        {
            var usable = Enumerable.Range(0, prefills).Where(p => !Charged.Contains((LegSide.Prefill, p)))
                .SelectMany(p => Enumerable.Range(100, decodes).Where(d => !Charged.Contains((LegSide.Decode, d)))
                    .Where(d => !_links.Avoids(p, d)).Select(d => (p, d))).ToList();
            if (usable.Count == 0)
                return;
            var link = usable[random.Next(usable.Count)];
            var wasAvoided = _links.Avoided.Contains(link);
            Tries += wasAvoided ? 1 : 0;
            _links.Picked(link.p, link.d);
            var good = !(fault.Links.Contains(link) && random.NextDouble() < fault.Rate) && random.NextDouble() >= noise;
            Failures += good ? 0 : 1;
            var (side, failures) = _links.Record(link.p, link.d, decodes, prefills, good, _now);
            if (side is { } culprit)
            {
                Assert.True(failures > 0);
                Charged.Add((culprit, culprit == LegSide.Prefill ? link.p : link.d));
                FailuresUntilLastFind = Failures;
            }
            else if (!good && !wasAvoided && _links.Avoids(link.p, link.d))
            {
                FailuresUntilLastFind = Failures;
            }
        }
    }
}
