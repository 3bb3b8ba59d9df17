using BenchmarkDotNet.Attributes;
using OrleansPd.Core.Load;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;

namespace OrleansPd.Benchmarks.Micro;

/// <summary>
/// What it costs, for 64 requests of 12k prompt tokens of which the last quarter is new, to remember them (<c>Remember</c>), to
/// remember them and note what is new for other gateways (<c>RememberAndNote</c>), and to learn the same from another gateway
/// (<c>Learn</c>).
/// </summary>
[MemoryDiagnoser]
public class AffinityBenchmarks
{
    private const int Requests = 64;
    private const int Blocks = 96;
    private const int Batches = 512;

    private readonly AffinityUpdates _updates = new();
    private RankSet _set = null!;
    private PickPolicy _silent = null!;
    private PickPolicy _telling = null!;
    private PickPolicy _learning = null!;
    private PairRequest[][] _batches = [];
    private AffinityUpdate[] _told = [];
    private int _next;

    [GlobalSetup]
    public void Setup()
    {
        var options = BenchFleet.Options("cache_aware");
        _set = BenchFleet.Catalog(100, options, new Random(1)).SetOf(0)!;
        (_silent, _telling, _learning) = (PolicyTable.Create(
            "cache_aware", options), PolicyTable.Create("cache_aware", options), PolicyTable.Create("cache_aware", options));
        _telling.Updates = _updates;
        var book = new PromptBook(4096);
        var random = new Random(2);
        _batches =
        [
            .. Enumerable.Range(0, Batches).Select(_ => Enumerable.Range(0, Requests).Select(_ => new PairRequest
            {
                PrefixBlocks = book.Prompt(random.Next(book.Prompts), Blocks * 3 / 4, Blocks),
            }).ToArray()),
        ];
        _told = [.. _batches.Select(batch =>
        {
            Picked(_telling, batch);
            return _updates.Take(slot => _set.Workers[slot]?.Id)!;
        })];
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Requests)]
    public void Remember() => Picked(_silent, _batches[_next++ % Batches]);

    [Benchmark(OperationsPerInvoke = Requests)]
    public int RememberAndNote()
    {
        Picked(_telling, _batches[_next++ % Batches]);
        return _updates.Take(slot => _set.Workers[slot]?.Id)?.Words.Length ?? 0;
    }

    [Benchmark(OperationsPerInvoke = Requests)]
    public int Learn()
    {
        var keys = 0;
        AffinityUpdates.Read(_told[_next++ % Batches], (_, _, rank, found) =>
        {
            _learning.Learn(_set, rank, found);
            keys += found.Length;
        });
        return keys;
    }

    private void Picked(PickPolicy policy, PairRequest[] batch)
    {
        foreach (ref readonly var request in batch.AsSpan())
            policy.Picked(_set, (int)(request.PrefixBlocks.Span[^1] % (ulong)_set.Count), request);
    }
}
