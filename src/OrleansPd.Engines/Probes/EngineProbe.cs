namespace OrleansPd.Engines.Probes;

/// <summary>Probes of real engines over HTTP.</summary>
/// <param name="options">Time limits.</param>
/// <param name="upstream">
/// The connections to engines; owned by the caller. Share those of client requests: calls do not block each other there, and a
/// probe finds an open connection where there is traffic.
/// </param>
/// <param name="clock">The clock of the time limits.</param>
public sealed partial class EngineProbe(ControlPlaneOptions options, IUpstream upstream, TimeProvider clock) : IEngineProbe
{
    private const string Sentinel = "/route?prefill_dp_rank=-1&prefill_cp_rank=-1&target_tp_rank=-1&target_pp_rank=-1";
    private const string RankZero = "/route?prefill_dp_rank=0&prefill_cp_rank=0&target_tp_rank=0&target_pp_rank=0";
    private readonly EngineCaller _caller = new(upstream, clock, TimeSpan.FromSeconds(2));

    private TimeSpan Short => TimeSpan.FromSeconds(options.LivenessTimeoutSecs);

    public async Task<EngineReading> DescribeAsync(WorkerSpec worker, CancellationToken cancellationToken)
    {
        var info = GetAsync(worker, "/server_info", Short, cancellationToken);
        var model = GetAsync(worker, "/model_info", Short, cancellationToken);
        var models = GetAsync(worker, "/v1/models", Short, cancellationToken);
        var replies = await Task.WhenAll(info, model, models).ConfigureAwait(false);
        var (infoJson, modelJson, modelsJson) = (replies[0].Json(), replies[1].Json(), replies[2].Json());
        // Nodes of a multi-node engine other than the first answer /health only: they are not workers.
        if (infoJson is null && modelJson is null)
            return EngineReading.Failed(Why(replies[0], "/server_info"));
        if (worker.Role != WorkerRole.Prefill)
            return EngineReading.Of(FactsReader.Read(worker, infoJson, modelJson, modelsJson, null, null, null));
        var (port, sentinel) = await FindBootstrapAsync(worker, infoJson, cancellationToken).ConfigureAwait(false);
        if (port is not null && !sentinel.IsOk)
        {
            return EngineReading.Failed(sentinel.Status == (int)HttpStatusCode.ServiceUnavailable
                ? new("its ranks have not all registered with its bootstrap server")
                : Why(sentinel, $"the bootstrap server on port {port}"));
        }
        var rank = port is { } p
            ? await BootstrapAsync(worker, p, RankZero, cancellationToken).ConfigureAwait(false)
            : default;
        return EngineReading.Of(FactsReader.Read(
            worker, infoJson, modelJson, modelsJson, sentinel.Json(), port, FactsReader.Int(rank.Json(), "rank_port")));
    }

    public async Task<EngineReading> DescribeAgainAsync(WorkerSpec worker, WorkerFacts known, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(known);
        // In sequence, on one connection: no request waits for this.
        var info = await GetAsync(worker, "/server_info", Short, cancellationToken).ConfigureAwait(false);
        if (info.Problem is not null)
            return EngineReading.Failed(Why(info, "/server_info"));
        if (info.Json() is { } infoJson)
        {
            // The ports of a prefill's ranks are all that distinguishes its epochs where seeds are fixed and pids are a
            // container's.
            var rank = worker.Role == WorkerRole.Prefill && known.BootstrapPort is { } port
                ? await BootstrapAsync(worker, port, RankZero, cancellationToken).ConfigureAwait(false)
                : default;
            var models = await GetAsync(worker, "/v1/models", Short, cancellationToken).ConfigureAwait(false);
            var read = FactsReader.Read(
                worker, infoJson, null, models.Json(), null, known.BootstrapPort, FactsReader.Int(rank.Json(), "rank_port"));
            if (ProcessIdentity.Same(known.ProcessIdentity, read.ProcessIdentity) == true)
            {
                // Keep what was not read again, and what the bootstrap server reports with more authority than the engine's
                // flags.
                return EngineReading.Of((read with
                {
                    AdapterNames = models.IsOk ? read.AdapterNames : known.AdapterNames,
                    DpSize = known.DpSize,
                    PageSize = known.PageSize,
                    KvCacheDtype = known.KvCacheDtype,
                    ProcessIdentity = known.ProcessIdentity,
                }).Over(known));
            }
        }
        // Another process, or one without an identity: the known facts do not apply.
        return await DescribeAsync(worker, cancellationToken).ConfigureAwait(false);
    }

    public async Task<ProbeAnswer> LivenessAsync(WorkerSpec worker, CancellationToken cancellationToken)
    {
        var reply = await GetAsync(worker, "/model_info", Short, cancellationToken).ConfigureAwait(false);
        return reply.IsOk || reply.Status == (int)HttpStatusCode.NotFound ? ProbeAnswer.Good : Why(reply, "/model_info");
    }

    public async Task<ProbeAnswer> HealthAsync(WorkerSpec worker, CancellationToken cancellationToken)
    {
        var limit = TimeSpan.FromSeconds(options.HealthTimeoutSecs);
        var reply = await GetAsync(worker, "/health", limit, cancellationToken).ConfigureAwait(false);
        return reply.IsOk ? ProbeAnswer.Good : Why(reply, "/health");
    }

    public async Task<ProbeAnswer> GenerateAsync(ReadinessCheck check, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(check);
        var rid = $"orleanspd-ready-{(check.Room != 0 ? check.Room : (long)check.Decode.Slot):x16}";
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var legs = new List<Task<ProbeAnswer>> { LegAsync(check.Decode, check.DecodeTarget, check.Room, rid, both.Token) };
        if (check.Prefill is not null)
            legs.Add(LegAsync(check.Prefill, check.PrefillTarget, check.Room, rid, both.Token));
        try
        {
            var left = legs.ToList();
            while (left.Count > 0)
            {
                var ended = await Task.WhenAny(left).ConfigureAwait(false);
                var answer = await ended.ConfigureAwait(false);
                if (!answer.IsGood)
                    return answer;
                left.Remove(ended);
            }
            return ProbeAnswer.Good;
        }
        finally
        {
            // The other leg must not stay in its engine, where it could wait for 300 s.
            await both.CancelAsync().ConfigureAwait(false);
            await ((Task)Task.WhenAll(legs)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<ProbeAnswer> LegAsync(
        WorkerSnapshot worker, LegTarget target, long room, string rid, CancellationToken cancellationToken)
    {
        var limit = TimeSpan.FromSeconds(options.ReadyTimeoutSecs);
        if (worker is { Role: WorkerRole.Regular, Facts.Generates: false })
        {
            // A model that does not generate is checked with an embedding.
            var body = JsonSerializer.SerializeToUtf8Bytes(new { model = worker.Model ?? "default", input = "ping" });
            var embedded = await PostAsync(worker.Url, "/v1/embeddings", worker.ApiKey, body, limit, cancellationToken)
                .ConfigureAwait(false);
            return embedded.IsOk ? ProbeAnswer.Good : Why(embedded, $"an embedding on {worker.Id}");
        }
        var reply = await PostAsync(
            worker.Url, "/generate", worker.ApiKey, ReadyBody.Of(target, room, rid), limit, cancellationToken)
                .ConfigureAwait(false);
        if (!reply.IsOk)
        {
            await AbortAsync(worker, rid).ConfigureAwait(false);
            return Why(reply, $"a generation on {worker.Id}");
        }
        return ReadyBody.WasAborted(reply.Json()) ? new($"a generation on {worker.Id} was aborted") : ProbeAnswer.Good;
    }

    private async Task AbortAsync(WorkerSnapshot worker, string rid)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new { rid, abort_all = false });
        _ = await PostAsync(worker.Url, "/abort_request", worker.ApiKey, body, TimeSpan.FromSeconds(1), CancellationToken.None)
            .ConfigureAwait(false);
    }

    /// <summary>
    /// The port is the operator's, or the one the engine reports, or the API port of an engine with a Rust front end: that
    /// answers 400 to /route without parameters, others answer 404. Null: unknown, and engines use their own flag.
    /// </summary>
    private async Task<(int? Port, EngineCallReply Sentinel)> FindBootstrapAsync(
        WorkerSpec worker, JsonElement? info, CancellationToken cancellationToken)
    {
        var port = worker.BootstrapPort ?? FactsReader.Int(info, "disaggregation_bootstrap_port");
        if (port is null)
        {
            var bare = await GetAsync(worker, "/route", Short, cancellationToken).ConfigureAwait(false);
            port = bare.Status is (int)HttpStatusCode.BadRequest or (int)HttpStatusCode.ServiceUnavailable ? worker.Url.Port
                : null;
        }
        return port is null
            ? (null, default)
            : (port, await BootstrapAsync(worker, port.Value, Sentinel, cancellationToken).ConfigureAwait(false));
    }

    private Task<EngineCallReply> GetAsync(
        WorkerSpec worker, string path, TimeSpan timeout, CancellationToken cancellationToken) =>
        _caller.GetAsync(worker.Url, path, worker.ApiKey, timeout, cancellationToken);

    private Task<EngineCallReply> PostAsync(
        Uri engine, string path, string? apiKey, byte[] body, TimeSpan timeout, CancellationToken cancellationToken) =>
        _caller.SendAsync("POST", engine, path, apiKey, body, timeout, cancellationToken);

    /// <summary>Queries the bootstrap server, which speaks plain HTTP also where the engine's API has TLS.</summary>
    private Task<EngineCallReply> BootstrapAsync(WorkerSpec worker, int port, string path, CancellationToken cancellationToken) =>
        _caller.GetAsync(new Uri($"http://{WorkerAddress.Host(worker.Url)}:{port}"), path, null, Short, cancellationToken);

    private static ProbeAnswer Why(EngineCallReply reply, string what) => reply.IsRefused ? new(reply.Problem, Refused: true)
        : new(reply.Problem is { } problem ? $"{what}: {problem}" : $"{what} answered {reply.Status}");
}
