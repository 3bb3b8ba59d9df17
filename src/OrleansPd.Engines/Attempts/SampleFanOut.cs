namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Sends one client request as several single ones and joins their answers. Each has its own room, request id and lease. The
/// first is placed by the policy, the others on the same pair while it has capacity, since they share the prefix. The first
/// failure ends all.
/// </summary>
internal sealed class SampleFanOut(DispatchServices services, AttemptLoop attempts, DispatchCall call, IAnswerSink sink)
{
    /// <summary>Maximum of single requests in flight: one client must not fill every queue.</summary>
    private const int MaxInFlight = 64;

    private readonly RequestShape _shape = call.Shape;

    public async ValueTask<IReadOnlyList<DispatchReport>> RunAsync(CancellationToken clientGone)
    {
        var count = _shape.Items * _shape.Samples;
        var id = call.ClientRids.Count == 1 ? call.ClientRids[0] : services.Rids.Next();
        // Registered also without an id: an abort of all requests includes the parts that were not sent yet.
        var live = call.Live ?? services.LiveRequests.Add(null, []);
        try
        {
            return await RunAsync(live, count, id, clientGone).ConfigureAwait(false);
        }
        finally
        {
            if (call.Live is null)
                services.LiveRequests.Remove(live);
        }
    }

    private async ValueTask<IReadOnlyList<DispatchReport>> RunAsync(
        LiveRequest live, int count, string id, CancellationToken clientGone)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(clientGone);
        IJoin join = call.Stream
            ? new StreamJoin(call, sink, id, stop)
            : new WholeJoin(call, sink, id, count, stop);
        var reports = new DispatchReport[count];
        using var gate = new SemaphoreSlim(MaxInFlight, MaxInFlight);
        var leased = new TaskCompletionSource<PairLease?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var tasks = new Task[count];
        tasks[0] = RunOneAsync(0, null, lease => leased.TrySetResult(lease));
        _ = tasks[0].ContinueWith(_ => leased.TrySetResult(
            null), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        var near = await leased.Task.ConfigureAwait(false);
        for (var i = 1; i < count; i++)
            tasks[i] = RunOneAsync(i, near, null);
        await Task.WhenAll(tasks).ConfigureAwait(false);
        await join.FinishAsync(clientGone).ConfigureAwait(false);
        return reports;

        async Task RunOneAsync(int index, PairLease? beside, Action<PairLease>? onLeased)
        {
            var single = call with
            {
                Item = index / _shape.Samples,
                Sample = index % _shape.Samples,
                ClientRids = [],
                Live = live,
                Leased = onLeased,
                Pair = call.Pair with { Items = 1, PromptTokens = call.Pair.PromptTokens / _shape.Items, Near = beside },
            };
            try
            {
                await gate.WaitAsync(stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                reports[index] = new DispatchReport { Verdict = Verdict.ClientGone };
                return;
            }
            try
            {
                reports[index] = (await attempts.RunAsync(single, join.Part(index), stop.Token).ConfigureAwait(false))[0];
            }
            finally
            {
                gate.Release();
            }
        }
    }
}

/// <summary>Joins the answers of the parts.</summary>
internal interface IJoin
{
    IAnswerSink Part(int index);

    /// <summary>All parts have ended: sends the end of the answer, or the failure.</summary>
    ValueTask FinishAsync(CancellationToken clientGone);
}
