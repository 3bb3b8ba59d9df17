using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Sends client requests to engines and relays the answers: to a pair (both legs at once), to a regular worker, or as several
/// single requests whose answers are joined. The steps of one request, with the numbers that the code repeats:
/// <list type="number">
/// <item>The caller reads the body once and scans it once into a <see cref="DispatchCall"/>.</item>
/// <item>The control plane admits the call, or lets it wait, or refuses it.</item>
/// <item>The control plane picks the workers and ranks.</item>
/// <item>The control plane mints a room for each prompt. Steps 2 to 4 are one call and give a lease.</item>
/// <item><see cref="Attempt"/> sends both legs at once; their bodies share the memory of the client's body.</item>
/// <item>Each leg reports events to <c>DispatchState</c>, which decides what to do.</item>
/// <item>The first good output of decode commits the answer: the client gets it, and there is no retry after it.</item>
/// <item>After a failure the other leg is aborted by its request id and closed. A request that may be tried again returns to
/// step 2 (<see cref="AttemptLoop"/>).</item>
/// <item>An exception is logged once, with the request id. The client gets a fixed sentence.</item>
/// </list>
/// </summary>
public sealed class RequestDispatcher
{
    private readonly DispatchServices _services;
    private readonly AttemptLoop _attempts;

    public RequestDispatcher(
        IControlPlane controlPlane, IUpstream upstream, RidSource rids, LiveRids liveRids, DispatchOptions options,
        TimeProvider clock, DispatchTelemetry? telemetry = null, ILogger<RequestDispatcher>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        _services = new(
            controlPlane, upstream, rids, liveRids, options, clock, telemetry ?? new(),
            logger ?? NullLogger<RequestDispatcher>.Instance);
        _attempts = new(_services);
        Declare(_services.Telemetry.Metrics);
    }

    /// <summary>Prefill legs that have not ended, including those that are drained after their request.</summary>
    public int OpenPrefillLegs => _services.OpenPrefillLegs;

    /// <summary>Decode legs that have not ended, including those of regular workers.</summary>
    public int OpenDecodeLegs => _services.OpenDecodeLegs;

    /// <summary>Attempts after the first.</summary>
    public long Retries => _attempts.Retries;

    /// <summary>Streams that were continued on another pair after their decode engine had failed.</summary>
    public long Resumed => _attempts.Resumed;

    public EngineAborter Aborter => _services.Aborter;

    /// <summary>The request ids that clients chose and that are in use.</summary>
    public LiveRids LiveRids => _services.LiveRids;

    /// <summary>The requests that can be aborted by a client's id.</summary>
    public LiveRequests LiveRequests => _services.LiveRequests;

    /// <summary>Runs the request until its answer is complete. A failure is an answer to the sink, not an exception.</summary>
    /// <param name="call">The request. Its body may be disposed of when no attempt can send it again.</param>
    /// <param name="sink">Receives the answer.</param>
    /// <param name="clientGone">Cancelled when the client no longer waits for the answer.</param>
    /// <returns>One report for each call to a pair or regular worker.</returns>
    public ValueTask<IReadOnlyList<DispatchReport>> RunAsync(DispatchCall call, IAnswerSink sink, CancellationToken clientGone)
    {
        ArgumentNullException.ThrowIfNull(call);
        ArgumentNullException.ThrowIfNull(sink);
        return call.IsSingle ? _attempts.RunAsync(call, sink, clientGone) : RunManyAsync(call, sink, clientGone);
    }

    private void Declare(MetricSet metrics)
    {
        metrics.Gauge("orleanspd_gateway_open_legs", "Requests to engines that have not ended, by role.", "{request}", () =>
            [
                new(OpenPrefillLegs, new KeyValuePair<string, object?>("role", "prefill")),
                new(OpenDecodeLegs, new KeyValuePair<string, object?>("role", "decode")),
            ]);
        metrics.Counter("orleanspd_gateway_retries_total", "Attempts after the first.", () => Retries);
        metrics.Counter("orleanspd_gateway_resumed_streams_total", "Streams that were continued on another pair.", () => Resumed);
        metrics.Counter("orleanspd_gateway_aborts_total", "Abort calls to engines.", () => Aborter.Sent);
        metrics.Counter(
            "orleanspd_gateway_abort_failures_total", "Abort calls that an engine did not accept.", () => Aborter.Failed);
        metrics.Gauge(
            "orleanspd_gateway_aborts_waiting", "Aborts that will be sent, or sent again, later.", "{request}",
            () => Aborter.Waiting);
    }

    private async ValueTask<IReadOnlyList<DispatchReport>> RunManyAsync(
        DispatchCall call, IAnswerSink sink, CancellationToken clientGone)
    {
        // Engines put all samples of a PD request into one room, where they collide.
        if (call.Shape.Samples == 1)
        {
            var reports = await _attempts.RunAsync(call, sink, clientGone).ConfigureAwait(false);
            if (!AttemptLoop.IsTooLargeBatch(call, reports[0]))
                return reports;
        }
        return await new SampleFanOut(_services, _attempts, call, sink).RunAsync(clientGone).ConfigureAwait(false);
    }

    /// <summary>
    /// Aborts the parts of a request that engines do not know by the client's id: the samples of one prompt, the prompts of a
    /// batch, retries, and parts that were not sent yet. The caller aborts what engines have under the id itself.
    /// </summary>
    /// <returns>Ends when the engines have answered, or after the time limit of one abort.</returns>
    public Task AbortAsync(string rid) => AbortAsync(LiveRequests.Abort(rid), rid);

    /// <summary>The same for all requests that have an id, and all that were sent in parts.</summary>
    public Task AbortAllAsync() => AbortAsync(LiveRequests.AbortAll(), null);

    /// <summary>Ends every request that still runs: aborts it on the engines and answers its client with an error.</summary>
    public void EndAll() => _services.Shutdown.Cancel();

    private Task AbortAsync(IReadOnlyList<AbortTarget> targets, string? rid) => Task.WhenAll(
        targets.Where(t => rid is null || t.Rids is not [var only] || only != rid)
            .Select(t => Aborter.AbortAsync(t.Worker, t.Rids, _services.Rids.IsOurs(t.Rids[0]))));
}
