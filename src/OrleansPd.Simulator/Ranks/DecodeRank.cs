using System.Net.Http.Json;
using OrleansPd.Simulator.Bootstrap;
using OrleansPd.Simulator.Transport;

namespace OrleansPd.Simulator.Ranks;

/// <summary>
/// The decode side of a pair: finds the prefill rank, waits for KV memory, sends the prefill the destination, waits for the KV,
/// and steps the request with the others.
/// </summary>
internal sealed class DecodeRank : EngineRank
{
    private readonly StepLoop _steps;
    private readonly SlotMemory _memory;
    private readonly KvReceiver _receiver;
    private readonly BootstrapClient _bootstrap;
    private readonly RoomHistory _rooms;
    private readonly HttpClient _http;
    private readonly ConcurrentDictionary<SimRequest, string> _unfinished = new();

    public DecodeRank(EngineProcess engine, int index, HttpClient http, RoomHistory rooms)
        : base(engine, index)
    {
        var options = engine.Options;
        _steps = new StepLoop(engine, index, Stats, Pacer, Board);
        _memory = new SlotMemory(Stats, options.Slots, options.TokenCapacity, options.ReservedDecodeTokens);
        _receiver = new KvReceiver(options.Slots, options.KvWireBytesPerToken, TimeSpan.FromSeconds(5), engine.Clock);
        _bootstrap = new BootstrapClient(engine, _steps.Scheduler, http);
        _rooms = rooms;
        _http = http;
    }

    public override int PreallocReady => _memory.Queued;

    public override async Task RunAsync(CancellationToken ct)
    {
        // mori has no heartbeat.
        var heartbeat = Engine.Options.TransferBackend == "mori"
            ? Task.CompletedTask
            : _bootstrap.HeartbeatAsync(LosePrefill, ct);
        await Task.WhenAll(_steps.RunAsync(ct), heartbeat);
    }

    public override void Wake() => _steps.Wake();

    public override void Retract() => _steps.Retract();

    public override ValueTask DisposeAsync()
    {
        _receiver.Dispose();
        return ValueTask.CompletedTask;
    }

    protected override async Task RunRequestAsync(SimRequest request)
    {
        request.Stage = Stage.Prealloc;
        var pd = request.Pd;
        if (pd.IsFake)
        {
            await ServeFakeAsync(request);
            return;
        }
        var room = pd.Room!.Value;
        if (!_rooms.TryAdd(room, request.Rid))
            Engine.Stats.AddDuplicateRoom(room);
        await HandOffAsync(request, room, request.Tokens, null);
    }

    /// <summary>
    /// Fetches the KV of <paramref name="tokens"/>; <paramref name="output"/> is the output so far of a retracted request.
    /// </summary>
    private async Task HandOffAsync(SimRequest request, long room, int[] tokens, Sequence? output)
    {
        var address = AddressOf(request.Pd);
        _unfinished[request] = address;
        try
        {
            var rank = await FindPrefillAsync(request, address, room);
            var slot = await _memory.ReserveAsync(tokens.Length, request.Cancelled);
            try
            {
                await ReceiveAsync(request, rank, room, slot, tokens, output);
            }
            catch
            {
                _receiver.Close(slot);
                _memory.Release(slot, tokens.Length);
                throw;
            }
        }
        finally
        {
            _unfinished.TryRemove(request, out _);
        }
    }

    private string AddressOf(PdFields pd)
    {
        // Both spellings of an IPv6 host are taken.
        var host = pd.Host!.Contains(':') && pd.Host[0] != '[' ? $"[{pd.Host}]" : pd.Host;
        return $"{host}:{pd.Port ?? Engine.BootstrapPort}";
    }

    private async Task<RankAddress> FindPrefillAsync(SimRequest request, string address, long room)
    {
        var ct = request.Cancelled;
        var info = await _bootstrap.InfoAsync(address, ct) ?? throw new PdFailure(SimRequest.AbortedByRequest);
        var options = Engine.Options;
        if ((info.PageSize is { } page && page != options.PageSize)
            || (info.KvCacheDtype is { } dtype && dtype != options.KvCacheDtype))
        {
            Engine.Die($"page size or KV dtype of {address} differs");
            throw new OperationCanceledException();
        }
        // (1) named by the body; (2) the only one; (3) from the room number; (4) query the bootstrap server.
        var rank = request.Pd.PrefillRank
            ?? (info.DpSize == 1 ? 0
                : info.Follow && !options.ForceQueryPrefillRank ? (int)((ulong)room % (ulong)info.DpSize)
                : await _bootstrap.OwnerAsync(address, room, ct));
        return await _bootstrap.RankAsync(address, rank, ct)
            ?? throw new PdFailure($"Could not fetch bootstrap info for: engine rank 0 of dp rank {rank} at {address}");
    }

    private async Task ReceiveAsync(SimRequest request, RankAddress rank, long room, int slot, int[] tokens, Sequence? output)
    {
        var blocks = KvState.BlocksOf(tokens.Length);
        var inbound = _receiver.Open(slot, room, blocks);
        KvArrival arrival;
        try
        {
            if (!request.Collides)
                await _receiver.SendDestinationAsync(rank, room, slot, blocks, request.Cancelled);
            request.Stage = Stage.Transfer;
            arrival = await inbound.Completed.Task.WaitAsync(Engine.Options.WaitingTimeout, Engine.Clock, request.Cancelled);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            if (Engine.Options.TransferBackend != "mori" && !Engine.Ended.IsCancellationRequested)
                Engine.Track(_receiver.SendAbortAsync(rank, room));
            throw e is TimeoutException
                ? new PdFailure(PrefillRank.TimedOut(room, Engine.Options.WaitingTimeout, "WaitingForInput"))
                : e;
        }
        _receiver.Close(slot);
        if (request.Rejection is { } rejection)
        {
            _memory.Release(slot, tokens.Length);
            Engine.End(request, new StepOut(null, "", Finish.Abort(rejection, 400)));
            return;
        }
        if (output is null)
        {
            request.CachedTokens = arrival.CachedTokens;
            Stats.CountPrompt(tokens.Length, arrival.CachedTokens);
        }
        Begin(request, inbound.Blocks, tokens, arrival.First, slot, output);
    }

    /// <summary>No transfer: the cache is what happened to be in memory, here zeros.</summary>
    private async Task ServeFakeAsync(SimRequest request)
    {
        var slot = await _memory.ReserveAsync(request.Tokens.Length, request.Cancelled);
        var blocks = new ulong[KvState.BlocksOf(request.Tokens.Length)];
        var first = new Sequence(Engine.Options.Model, request.Sampling, KvState.FromBlocks(blocks, request.Tokens)).Sample();
        Begin(request, blocks, request.Tokens, first, slot, null);
    }

    private void Begin(SimRequest request, ulong[] blocks, int[] tokens, TokenOut first, int slot, Sequence? output)
    {
        var state = KvState.FromBlocks(blocks, tokens);
        var sequence = output ?? new Sequence(Engine.Options.Model, request.Sampling, state);
        sequence.Resume(state);
        _steps.Enqueue(
            request, sequence, first,
            (_, ended) => _memory.Release(slot, ended.TotalTokens),
            request.Pd.IsFake ? null : (retracted, soFar) =>
            {
                _memory.Release(slot, soFar.TotalTokens);
                retracted.Retractions++;
                retracted.Stage = Stage.Prealloc;
                Engine.Track(GuardAsync(retracted, () => BootstrapAgainAsync(retracted, soFar)));
            });
    }

    /// <summary>
    /// Sends the request to its prefill once more, past the router: same rid, same room, prompt and answer so far.
    /// </summary>
    private async Task BootstrapAgainAsync(SimRequest request, Sequence output)
    {
        await Task.Yield();
        var room = request.Pd.Room!.Value;
        int[] tokens = [.. request.Tokens, .. output.Output];
        var info = await _bootstrap.InfoAsync(AddressOf(request.Pd), request.Cancelled);
        if (info?.HttpPort is not { } port)
            throw new PdFailure("The prefill tells no API port to retract to.");
        var host = request.Pd.Host!;
        var body = new Dictionary<string, object?>
        {
            ["input_ids"] = tokens,
            ["rid"] = request.Rid,
            ["sampling_params"] =
                new Dictionary<string, object> { ["max_new_tokens"] = 1, ["sampling_seed"] = request.Sampling.Seed },
            ["bootstrap_host"] = host,
            ["bootstrap_port"] = request.Pd.Port,
            ["bootstrap_room"] = room,
            ["disagg_prefill_dp_rank"] = request.Pd.PrefillRank,
        };
        var url = $"http://{(host.Contains(':') && host[0] != '[' ? $"[{host}]" : host)}:{port}/generate";
        var handOff = HandOffAsync(request, room, tokens, output);
        if (!await PostAgainAsync(url, body, request.Cancelled))
            request.Cancel("The prefill refused the retracted request.");
        await handOff;
    }

    /// <summary>
    /// Repeats while the prefill still holds the first request of that rid, which ends with the transfer's last word.
    /// </summary>
    private async Task<bool> PostAgainAsync(string url, Dictionary<string, object?> body, CancellationToken ct)
    {
        for (var attempt = 0; attempt < 100; attempt++)
        {
            try
            {
                using var response = await _http.PostAsJsonAsync(url, body, ct);
                if (response.StatusCode != System.Net.HttpStatusCode.BadRequest)
                    return response.IsSuccessStatusCode;
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                return false;
            }
            await Task.Delay(TimeSpan.FromMilliseconds(10), Engine.Clock, ct);
        }
        return false;
    }

    private void LosePrefill(string address)
    {
        foreach (var (request, prefill) in _unfinished)
        {
            if (prefill == address)
                request.Cancel($"Lost connection with prefill instance (bootstrap_addr: {address})");
        }
    }
}
