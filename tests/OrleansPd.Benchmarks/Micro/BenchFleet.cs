using OrleansPd.Core.Load;
using OrleansPd.Core.Options;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.Routing;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Benchmarks.Micro;

/// <summary>Fleets and requests to measure with: so many prefill and as many decode workers, eight ranks each.</summary>
internal static class BenchFleet
{
    public const int Ranks = 8;
    public const int Requests = 1024;

    /// <summary>Blocks of a prompt of 128k tokens as the gateway counts them: 512 bytes each, at most 4,096.</summary>
    public const int LongPrompt = 4096;

    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static WorkerFacts Facts { get; } = new()
    {
        DpSize = Ranks,
        MaxRunningPerRank = 1000,
        SlotsPerRank = 1000,
        Version = "0.5.18",
        ServedModelName = "m",
        PageSize = 64,
        KvCacheDtype = "auto",
        TransferBackend = "mooncake",
        BootstrapPort = 8998,
        ProcessIdentity = "seed=1",
    };

    public static ControlPlaneOptions Options(string policy) => new() { Policy = policy, DecodePolicy = policy };

    /// <summary>A fleet as its snapshot, with what is in flight on each rank drawn at random.</summary>
    /// <param name="workersOfARole">Prefill workers, and decode workers.</param>
    /// <param name="options">Limits of the ranks.</param>
    /// <param name="random">Draws the load.</param>
    /// <param name="least">Fewest tokens on a rank.</param>
    /// <param name="most">Most tokens on a rank.</param>
    public static PairCatalog Catalog(
        int workersOfARole, ControlPlaneOptions options, Random random, int least = 1, int most = 200_000)
    {
        var workers = Enumerable.Range(0, 2 * workersOfARole).Select(slot => new WorkerSnapshot
        {
            Id = new WorkerId($"http://10.{slot / 65536}.{slot / 256 % 256}.{slot % 256}:30000"),
            Url = new Uri($"http://10.{slot / 65536}.{slot / 256 % 256}.{slot % 256}:30000"),
            Role = slot < workersOfARole ? WorkerRole.Prefill : WorkerRole.Decode,
            Phase = WorkerPhase.Ready,
            Epoch = 1,
            Slot = slot,
            Facts = Facts,
            Model = "m",
            TransferGroup = "g",
        });
        var loads = new LoadTable();
        var catalog = new PairCatalog(options, loads);
        catalog.Update(new FleetSnapshot(1, [.. workers]));
        for (var slot = 0; slot < 2 * workersOfARole; slot++)
        {
            for (var rank = 0; rank < Ranks; rank++)
            {
                loads.Add(slot, rank, random.Next(1, 40), random.Next(least, most));
                catalog.SetOf(slot)!.Rescore(catalog.SetOf(slot)!.Leaf(slot, rank));
            }
        }
        return catalog;
    }

    public static PairPicker Picker(ControlPlaneOptions options, Random random) => new(
        PolicyTable.Create(options.PrefillPolicy ?? options.Policy, options),
        PolicyTable.Create(options.DecodePolicy ?? options.Policy, options), random);

    /// <summary>A control plane whose workers are all ready.</summary>
    public static ControlPlaneState State(int workersOfARole, string policy)
    {
        var state = new ControlPlaneState(Options(policy), new RoomMint(1, 0), seed: 1);
        for (var i = 0; i < 2 * workersOfARole; i++)
        {
            var spec = new WorkerSpec
            {
                Url = new Uri($"http://10.0.{i / 256}.{i % 256}:30000"),
                Role = i < workersOfARole ? WorkerRole.Prefill : WorkerRole.Decode,
            };
            var worker = state.Register(spec, Start)!;
            state.Apply(worker.Id, new WorkerInput.Described(Facts), Start, 0);
            state.Apply(worker.Id, new WorkerInput.ReadinessPassed(1), Start, 0);
        }
        return state;
    }

    /// <summary>
    /// Requests with sessions and prompts. Every other prompt goes on where one that was seen ends or was cut; the others are
    /// new.
    /// </summary>
    public static PairRequest[] Asked(PromptBook book, int blocks, Random random) =>
    [
        .. Enumerable.Range(0, Requests).Select(i => new PairRequest
        {
            Model = "m",
            PromptTokens = blocks * 32L,
            MaxNewTokens = 256,
            SessionKey = (ulong)random.NextInt64(1, long.MaxValue),
            PrefixBlocks = book.Prompt(i % 2 == 0 ? random.Next(book.Prompts) : -1, random.Next(blocks / 4, blocks), blocks),
        }),
    ];
}

/// <summary>Prompts as the hashes of their blocks; prompt i is the same whenever it is asked for.</summary>
/// <param name="prompts">How many there are.</param>
internal sealed class PromptBook(int prompts)
{
    private ulong _new = 1UL << 40;

    public int Prompts => prompts;

    /// <param name="known">A prompt to begin with; -1 = none.</param>
    /// <param name="shared">Blocks of it.</param>
    /// <param name="blocks">Blocks in all.</param>
    public ulong[] Prompt(int known, int shared, int blocks)
    {
        var own = _new++;
        var hashes = new ulong[blocks];
        for (var i = 0; i < blocks; i++)
            hashes[i] = known >= 0 && i < shared ? Hash.Mix(((ulong)known << 20) + (ulong)i) : Hash.Mix((own << 20) + (ulong)i);
        return hashes;
    }
}
