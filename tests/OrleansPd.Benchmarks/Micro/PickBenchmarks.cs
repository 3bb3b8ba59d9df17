using BenchmarkDotNet.Attributes;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Routing;

namespace OrleansPd.Benchmarks.Micro;

/// <summary>
/// One choice of a pair: a prefill rank and a decode rank, both by the same policy, of that many workers a role with eight ranks
/// each. For <c>cache_aware</c> prompts are of 128k tokens and the index holds a million blocks.
/// </summary>
public class PickBenchmarks
{
    private PairPicker _picker = null!;
    private ModelPool _pool = null!;
    private PairRequest[] _requests = [];
    private int _next;

    public static IEnumerable<string> Policies => PolicyTable.Names;

    [ParamsSource(nameof(Policies))]
    public string Policy { get; set; } = "";

    [Params(4, 100, 1000)]
    public int Workers { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var random = new Random(1);
        var options = BenchFleet.Options(Policy);
        var catalog = BenchFleet.Catalog(Workers, options, random);
        _pool = catalog.Find("m", out _)!;
        _picker = BenchFleet.Picker(options, random);
        // 256 entries a prompt: 4,096 prompts fill the index of 2^20 entries. The other policies only need some sessions.
        var book = new PromptBook(Policy == "cache_aware" ? 4096 : 16);
        for (var i = 0; i < book.Prompts; i++)
        {
            var request = new PairRequest
            {
                PrefixBlocks = book.Prompt(
                i, BenchFleet.LongPrompt, BenchFleet.LongPrompt),
                SessionKey = (ulong)i + 1
            };
            for (var copy = 0; copy <= i % 3; copy++) // one to three ranks have it
            {
                _picker.Picked(new PairPick(
                    _pool.Groups[0], random.Next(Workers * BenchFleet.Ranks), random.Next(Workers * BenchFleet.Ranks)), request);
            }
        }
        _requests = BenchFleet.Asked(book, BenchFleet.LongPrompt, random);
        foreach (var request in _requests.Where((_, i) => i % 2 == 0 && Policy == "session"))
        {
            _picker.Picked(new PairPick(
                _pool.Groups[0], random.Next(Workers * BenchFleet.Ranks), random.Next(Workers * BenchFleet.Ranks)), request);
        }
    }

    [Benchmark]
    public int Pick()
    {
        ref readonly var request = ref _requests[_next++ & (BenchFleet.Requests - 1)];
        if (!_picker.TryPick(_pool, request, -1, -1, out var pick))
            throw new InvalidOperationException("nothing was picked");
        return pick.Prefill;
    }
}

/// <summary>
/// The same where long prompts find room on few prefill ranks, or on none: what every arrival costs in an overload.
/// </summary>
public class CrowdedPickBenchmarks
{
    private PairPicker _picker = null!;
    private ModelPool _pool = null!;

    [Params(1000)]
    public int Workers { get; set; }

    [Params(false, true)]
    public bool SomeHaveRoom { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var random = new Random(1);
        var options = BenchFleet.Options("least_load");
        var most = options.MaxPrefillTokensPerRank;
        var catalog = BenchFleet.Catalog(Workers, options, random, most - 100_000, most);
        _pool = catalog.Find("m", out _)!;
        _picker = BenchFleet.Picker(options, random);
    }

    [Benchmark]
    public bool Pick()
    {
        // 100,000 tokens fit nowhere; 95,000 on a twentieth of the ranks, of which the lowest is found at once.
        var request = new PairRequest { Model = "m", PromptTokens = SomeHaveRoom ? 95_000 : 100_001 };
        var found = _picker.TryPick(_pool, request, -1, -1, out _);
        return found == SomeHaveRoom ? found : throw new InvalidOperationException("not what was set up");
    }
}
