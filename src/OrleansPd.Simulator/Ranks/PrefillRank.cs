using System.Net.Http.Json;
using OrleansPd.Simulator.Transport;

namespace OrleansPd.Simulator.Ranks;

/// <summary>
/// The prefill side of a pair: bootstrap queue until the decode's destination is known, waiting queue, forward pass,
/// inflight queue until the decode has acknowledged the KV.
/// </summary>
internal sealed class PrefillRank : EngineRank
{
    private static readonly TimeSpan RegisterTimeout = TimeSpan.FromSeconds(5);

    private readonly ForwardUnit _forward;
    private readonly SemaphoreSlim _metadata;
    private readonly SemaphoreSlim _link = new(1, 1);
    private readonly HttpClient _http;
    private readonly RoomHistory _rooms;
    private readonly KvSender _sender;

    public PrefillRank(EngineProcess engine, int index, IPAddress address, HttpClient http, RoomHistory rooms)
        : base(engine, index)
    {
        var options = engine.Options;
        _forward = new ForwardUnit(engine, index, Stats, Pacer);
        _metadata = new SemaphoreSlim(2 * options.Window, 2 * options.Window);
        _http = http;
        _rooms = rooms;
        _sender = new KvSender(address, options.KvWireBytesPerToken, options.TransferBackend == "nixl"
            ? "Aborted by decode-side abort notification."
            : "Failed due to an unknown reason from another rank");
    }

    public int DataPort => _sender.Port;

    public override void Flush() => _forward.Flush();

    public override ValueTask DisposeAsync() => _sender.DisposeAsync();

    protected override async Task RunRequestAsync(SimRequest request)
    {
        if (request.Pd.IsFake)
        {
            Answer(request, await _forward.RunAsync(request));
            return;
        }
        request.Stage = Stage.Bootstrap;
        var room = request.Pd.Room!.Value;
        await AnnounceAsync(request, room);
        if (!_rooms.TryAdd(room, request.Rid))
            Engine.Stats.AddDuplicateRoom(room);
        // Two live requests in one room: the later one's sender never hears of a destination.
        var entry = (request.Collides ? null : _sender.Claim(room, request)) ?? new PrefillRoom();

        var held = 0;
        try
        {
            var destination = await WaitForDestinationAsync(entry, room, request);
            await _metadata.WaitAsync(request.Cancelled);
            held = request.Tokens.Length;
            Stats.Occupy(1, held);
            var prompt = await _forward.RunAsync(request);
            Board.Publish();
            request.Stage = Stage.Inflight;
            await PushAsync(request, prompt, destination, entry, room);
            Answer(request, prompt);
        }
        finally
        {
            _sender.Close(room, entry);
            if (held > 0)
            {
                Stats.Occupy(-1, -held);
                _metadata.Release();
            }
        }
    }

    private async Task<Destination> WaitForDestinationAsync(PrefillRoom entry, long room, SimRequest request)
    {
        var clocked = Engine.Options.TransferBackend != "nixl" || Engine.Profile.NixlClock;
        try
        {
            return await entry.Destination.Task.WaitAsync(
                clocked ? Engine.Options.BootstrapTimeout : Timeout.InfiniteTimeSpan, Engine.Clock, request.Cancelled);
        }
        catch (TimeoutException)
        {
            throw new PdFailure(TimedOut(room, Engine.Options.BootstrapTimeout, "Bootstrapping"));
        }
    }

    /// <summary>
    /// Registers the owner of the room where decode cannot compute it, or refuses a room that encodes another rank.
    /// </summary>
    private async Task AnnounceAsync(SimRequest request, long room)
    {
        var options = Engine.Options;
        if (options.DpSize == 1 || (request.Pd.PrefillRank is not null && Engine.Profile.PrefillHonoursRank))
            return;
        // Plain replicas announce their attention rank, which is always 0: a known defect, kept.
        var rank = options.EnableDpAttention ? Index : 0;
        var implied = (int)((ulong)room % (ulong)options.DpSize);
        if (options.ResolvedLoadBalance == "follow_bootstrap_room")
        {
            if (rank != implied && Engine.Profile.ConflictCheck)
            {
                Engine.Stats.AddRouterError($"room {room} implies rank {implied}, sent to rank {rank}");
                throw new PdFailure(
                    $"follow_bootstrap_room conflict: dispatched to dp_rank {rank} but bootstrap_room {room} "
                    + $"implies dp_rank {implied}. Set SGLANG_DISAGGREGATION_FORCE_QUERY_PREFILL_DP_RANK=1 to allow it.");
            }
            return;
        }
        try
        {
            using var limit = new CancellationTokenSource(RegisterTimeout, Engine.Clock);
            using var _ = await _http.PostAsJsonAsync(
                $"http://{request.Pd.Host}:{Engine.BootstrapPort}/register_dp_rank",
                new Dictionary<string, long> { ["bootstrap_room"] = room, ["dp_rank"] = rank }, limit.Token);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or UriFormatException or IOException)
        {
            // Tried once, as SGLang does; the decode asks in vain.
        }
    }

    private async Task PushAsync(SimRequest request, Prompt prompt, Destination destination, PrefillRoom entry, long room)
    {
        var faults = Engine.Faults;
        if (faults.TryTake(FaultKind.DropKv, Index, request.Rid) is not null)
            return;
        if (faults.TryTake(FaultKind.LateKv, Index, request.Rid) is { } late)
            await Task.Delay(late.Delay ?? TimeSpan.FromSeconds(1), Engine.Clock, request.Cancelled);
        int? corrupt = faults.TryTake(FaultKind.CorruptKv, Index, request.Rid) is not null ? prompt.Blocks.Length / 2 : null;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(request.Cancelled, destination.Link.Closed);
        try
        {
            await _link.WaitAsync(either.Token);
            try
            {
                await Pacer.DelayAsync(Engine.Options.Timing.Transfer(request.Tokens.Length), either.Token);
            }
            finally
            {
                _link.Release();
            }
            if (faults.TryTake(FaultKind.PartialKv, Index, request.Rid) is not null)
            {
                await _sender.SendBlocksAsync(
                    destination, prompt.Blocks.AsMemory(0, prompt.Blocks.Length / 2), null, either.Token);
                await Task.Delay(Timeout.InfiniteTimeSpan, Engine.Clock, either.Token);
            }
            var first = FirstOf(request, prompt);
            await _sender.SendAsync(destination, room, prompt.Blocks, corrupt, first, request.CachedTokens, either.Token);
            await entry.Acknowledged.Task.WaitAsync(either.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException && !request.Cancelled.IsCancellationRequested)
        {
            throw new PdFailure($"Failed to send kv chunk of {room} to {destination.Link.Peer}");
        }
    }

    private void Answer(SimRequest request, Prompt prompt)
    {
        var sequence = new Sequence(Engine.Options.Model, request.Sampling with { MaxNewTokens = 1 }, prompt.State);
        var first = sequence.Sample();
        var text = sequence.Commit(first.Id);
        Stats.GeneratedTokens++;
        Engine.End(request, new StepOut(first, text, new Finish("length") { Length = 0 }));
    }

    private TokenOut FirstOf(SimRequest request, Prompt prompt) =>
        new Sequence(Engine.Options.Model, request.Sampling, prompt.State).Sample();

    internal static string TimedOut(long room, TimeSpan after, string state) => string.Create(
        System.Globalization.CultureInfo.InvariantCulture,
        $"Request {room} timed out after {after.TotalSeconds + 0.1:F1}s in KVPoll.{state}");
}
