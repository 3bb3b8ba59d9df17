namespace OrleansPd.Engines.Attempts;

/// <summary>Runs a client's request: as it is, or as several single requests whose answers are joined again.</summary>
public sealed class RequestDispatcher(PairDispatcher pairs)
{
    public PairDispatcher Pairs => pairs;

    /// <summary>Whether the call goes to one pair whatever comes, and so may be given to <see cref="Pairs"/> as it is.</summary>
    public static bool IsOneCall(DispatchCall call)
    {
        ArgumentNullException.ThrowIfNull(call);
        return call.Shape.Samples == 1 && call.Items == 1;
    }

    /// <summary>Runs the request to its end for the client.</summary>
    /// <returns>One report for each call that was made to a pair.</returns>
    public async ValueTask<IReadOnlyList<DispatchReport>> RunAsync(
        DispatchCall call, IAnswerSink sink, CancellationToken clientGone)
    {
        ArgumentNullException.ThrowIfNull(call);
        // Engines put all samples of a PD request into one room, where they collide (protocol §2.6).
        if (call.Shape.Samples == 1)
        {
            var report = await pairs.RunAsync(call, sink, clientGone).ConfigureAwait(false);
            if (!PairDispatcher.IsTooLargeBatch(call, report))
            {
                return [report];
            }
        }
        var join = new SampleFanOut(pairs, call, sink);
        return await join.RunAsync(clientGone).ConfigureAwait(false);
    }
}
