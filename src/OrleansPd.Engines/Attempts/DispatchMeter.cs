namespace OrleansPd.Engines.Attempts;

/// <summary>Durations of the stages of dispatched requests, recorded by the legs.</summary>
internal sealed class DispatchMeter(MetricSet metrics)
{
    private static readonly double[] Waits = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

    private readonly TimeHistogram _gap = metrics.Seconds(
        "orleanspd_gateway_token_gap_seconds", "orleanspd.gateway.token.gap",
        "Between events of a stream that has content (inter-token latency).",
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 5, 30);

    private readonly TimeHistogram _queueWait = metrics.Seconds(
        "orleanspd_gateway_queue_wait_seconds", "orleanspd.gateway.queue.wait",
        "From the request for a pair to its lease or refusal.", Waits);

    private readonly TimeHistogram _prefill = metrics.Seconds(
        "orleanspd_gateway_prefill_seconds", "orleanspd.gateway.prefill.duration",
        "From sending both legs to the prefill's good end.", Waits);

    private readonly TimeHistogram _kvWait = metrics.Seconds(
        "orleanspd_gateway_kv_wait_seconds", "orleanspd.gateway.kv.wait",
        "From the prefill's end to decode's first event.", Waits);

    public void QueueWaited(TimeSpan time) => _queueWait.Record(time.TotalSeconds);

    /// <summary>Prefill ended successfully: queue, computation and transfer.</summary>
    public void Prefilled(TimeSpan time) => _prefill.Record(time.TotalSeconds);

    /// <param name="time">0 if decode's first event came before the prefill's end.</param>
    public void KvWaited(TimeSpan time) => _kvWait.Record(time.TotalSeconds);

    /// <summary>Events that arrive together share the time equally.</summary>
    public void Gap(TimeSpan time, int events) => _gap.Record(time.TotalSeconds / events, events);
}
