namespace OrleansPd.Server.Hosting;

/// <summary>
/// What a silo does that cannot go on, as when its cluster took it for dead: it ends at once, so that whoever started it starts
/// it anew. What it had in flight is being ended by others already.
/// </summary>
internal sealed class FatalErrors(TextWriter error) : IFatalErrorHandler
{
    private int _ending;

    public bool IsUnexpected(Exception exception) => exception is not OperationCanceledException;

    public void OnFatalException(object? sender = null, string? context = null, Exception? exception = null)
    {
        if (Interlocked.Exchange(ref _ending, 1) != 0)
        {
            return;
        }
        error.WriteLine(context?.Contains("told I am dead", StringComparison.Ordinal) == true
            ? "error: the cluster took this silo for dead, so it ends: it did not answer probes in time. Start it again; if "
                + "it happens to healthy silos, give them a longer --probe-timeout-ms or more --missed-probes."
            : $"error: this silo cannot go on and ends: {exception?.Message ?? context ?? "no reason was given"}");
        error.Flush();
        // Not here: the caller may hold what the end waits for.
        _ = ThreadPool.UnsafeQueueUserWorkItem(_ => Environment.Exit(Tools.Output.ExitCode.Failure), null);
    }
}
