using System.Net;
using System.Text.Json;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Net.Http1;

namespace OrleansPd.Engines.Probes;

/// <summary>Probes of real engines over HTTP.</summary>
/// <param name="options">How long they may take.</param>
/// <param name="upstream">
/// How engines are reached; theirs who give it. Best the client that requests go through too: none waits for another there, and
/// where there is traffic a probe finds a connection.
/// </param>
public sealed partial class EngineProbe(ControlPlaneOptions options, IUpstream upstream) : IEngineProbe
{
    private const string Sentinel = "/route?prefill_dp_rank=-1&prefill_cp_rank=-1&target_tp_rank=-1&target_pp_rank=-1";
    private const string RankZero = "/route?prefill_dp_rank=0&prefill_cp_rank=0&target_tp_rank=0&target_pp_rank=0";
    private readonly ProbeClient _client = new(upstream);

    private TimeSpan Short => TimeSpan.FromSeconds(options.LivenessTimeoutSecs);

    public async Task<EngineReading> DescribeAsync(WorkerSpec worker, CancellationToken cancellationToken)
    {
        var info = _client.GetAsync(worker, "/server_info", Short, cancellationToken);
        var model = _client.GetAsync(worker, "/model_info", Short, cancellationToken);
        var models = _client.GetAsync(worker, "/v1/models", Short, cancellationToken);
        var replies = await Task.WhenAll(info, model, models).ConfigureAwait(false);
        var (told, modelTold, modelsTold) = (replies[0].Json(), replies[1].Json(), replies[2].Json());
        // A node of a multi-node engine that is not the first answers /health only: it is no worker.
        if (told is null && modelTold is null)
        {
            return EngineReading.Failed(Why(replies[0], "/server_info"));
        }
        if (worker.Role != WorkerRole.Prefill)
        {
            return EngineReading.Of(FactsReader.Read(worker, told, modelTold, modelsTold, null, null, null));
        }
        var (port, sentinel) = await FindBootstrapAsync(worker, told, cancellationToken).ConfigureAwait(false);
        if (port is not null && !sentinel.IsOk)
        {
            return EngineReading.Failed(sentinel.Status == HttpStatusCode.ServiceUnavailable
                ? new("its ranks have not all registered with its bootstrap server")
                : Why(sentinel, $"the bootstrap server on port {port}"));
        }
        var rank = port is { } p
            ? await _client.SendAsync(HttpMethod.Get, At(worker, p, RankZero), null, null, Short, cancellationToken)
                .ConfigureAwait(false)
            : default;
        return EngineReading.Of(FactsReader.Read(
            worker, told, modelTold, modelsTold, sentinel.Json(), port, FactsReader.Int(rank.Json(), "rank_port")));
    }

    public async Task<EngineReading> DescribeAgainAsync(WorkerSpec worker, WorkerFacts known, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(known);
        // One after the other, so that one connection serves: nobody waits for this.
        var info = await _client.GetAsync(worker, "/server_info", Short, cancellationToken).ConfigureAwait(false);
        if (!info.Answer.IsGood)
        {
            return EngineReading.Failed(info.Answer);
        }
        if (info.Json() is { } told)
        {
            // Only the ports of a prefill's ranks tell its lives apart where seeds are given and pids are a container's.
            var rank = worker.Role == WorkerRole.Prefill && known.BootstrapPort is { } port
                ? await _client.SendAsync(HttpMethod.Get, At(worker, port, RankZero), null, null, Short, cancellationToken)
                    .ConfigureAwait(false)
                : default;
            var models = await _client.GetAsync(worker, "/v1/models", Short, cancellationToken).ConfigureAwait(false);
            var read = FactsReader.Read(
                worker, told, null, models.Json(), null, known.BootstrapPort, FactsReader.Int(rank.Json(), "rank_port"));
            if (ProcessIdentity.Same(known.ProcessIdentity, read.ProcessIdentity) == true)
            {
                // What was not asked again, and what the bootstrap server says with more authority than the engine's own flags.
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
        // Another process, or one that does not say: nothing that was known counts.
        return await DescribeAsync(worker, cancellationToken).ConfigureAwait(false);
    }

    public async Task<ProbeAnswer> LivenessAsync(WorkerSpec worker, CancellationToken cancellationToken)
    {
        var reply = await _client.GetAsync(worker, "/model_info", Short, cancellationToken).ConfigureAwait(false);
        return reply.IsOk || reply.Status == HttpStatusCode.NotFound ? ProbeAnswer.Good : Why(reply, "/model_info");
    }

    public async Task<ProbeAnswer> HealthAsync(WorkerSpec worker, CancellationToken cancellationToken)
    {
        var limit = TimeSpan.FromSeconds(options.HealthTimeoutSecs);
        var reply = await _client.GetAsync(worker, "/health", limit, cancellationToken).ConfigureAwait(false);
        return reply.IsOk ? ProbeAnswer.Good : Why(reply, "/health");
    }

    public async Task<ProbeAnswer> GenerateAsync(ReadinessCheck trial, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(trial);
        var rid = $"orleanspd-ready-{(trial.Room != 0 ? trial.Room : (long)trial.Decode.Slot):x16}";
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var legs = new List<Task<ProbeAnswer>> { LegAsync(trial.Decode, trial.DecodeTarget, trial.Room, rid, both.Token) };
        if (trial.Prefill is not null)
        {
            legs.Add(LegAsync(trial.Prefill, trial.PrefillTarget, trial.Room, rid, both.Token));
        }
        try
        {
            var left = legs.ToList();
            while (left.Count > 0)
            {
                var ended = await Task.WhenAny(left).ConfigureAwait(false);
                var answer = await ended.ConfigureAwait(false);
                if (!answer.IsGood)
                {
                    return answer;
                }
                left.Remove(ended);
            }
            return ProbeAnswer.Good;
        }
        finally
        {
            // The other leg must not stay behind in its engine, where it could wait for 300 s.
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
            // A model that does not generate is tried with what it does.
            var body = JsonSerializer.SerializeToUtf8Bytes(new { model = worker.Model ?? "default", input = "ping" });
            var embedded = await _client.SendAsync(
                HttpMethod.Post, new Uri(worker.Url, "/v1/embeddings"), worker.ApiKey, body, limit, cancellationToken)
                    .ConfigureAwait(false);
            return embedded.IsOk ? ProbeAnswer.Good : Why(embedded, $"an embedding on {worker.Id}");
        }
        var url = new Uri(worker.Url, "/generate");
        var reply = await _client.SendAsync(
            HttpMethod.Post, url, worker.ApiKey, ReadyBody.Of(target, room, rid), limit, cancellationToken).ConfigureAwait(false);
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
        _ = await _client.SendAsync(
            HttpMethod.Post, new Uri(
                worker.Url, "/abort_request"), worker.ApiKey, body, TimeSpan.FromSeconds(1), CancellationToken.None)
            .ConfigureAwait(false);
    }

    /// <summary>
    /// The port is the operator's, or what the engine tells, or the API port where the engine is a Rust front end: that one
    /// answers 400 to a route call without parameters where others answer 404. Null: nobody knows, engines use their own flag.
    /// </summary>
    private async Task<(int? Port, ProbeReply Sentinel)> FindBootstrapAsync(
        WorkerSpec worker, JsonElement? info, CancellationToken cancellationToken)
    {
        var port = worker.BootstrapPort ?? FactsReader.Int(info, "disaggregation_bootstrap_port");
        if (port is null)
        {
            var bare = await _client.GetAsync(worker, "/route", Short, cancellationToken).ConfigureAwait(false);
            port = bare.Status is HttpStatusCode.BadRequest or HttpStatusCode.ServiceUnavailable ? worker.Url.Port : null;
        }
        return port is null
            ? (null, default)
            : (port, await _client.SendAsync(
                HttpMethod.Get, At(worker, port.Value, Sentinel), null, null, Short, cancellationToken)
                .ConfigureAwait(false));
    }

    // The bootstrap server speaks plain http, whatever the API does.
    private static Uri At(WorkerSpec worker, int port, string pathAndQuery) =>
        new($"http://{WorkerAddress.Host(worker.Url)}:{port}{pathAndQuery}");

    private static ProbeAnswer Why(ProbeReply reply, string what) =>
        reply.Answer.IsGood ? new($"{what} answered {(int)reply.Status}") : reply.Answer;
}
