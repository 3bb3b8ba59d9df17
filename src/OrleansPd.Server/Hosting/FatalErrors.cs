namespace OrleansPd.Server.Hosting;

/// <summary>
/// Ends the process at once when its silo cannot continue, for example because the cluster declared it dead; its supervisor
/// starts it again. Other silos already abort what it had in flight.
/// </summary>
internal sealed class FatalErrors(TextWriter error) : IFatalErrorHandler
{
    private int _ending;

    public bool IsUnexpected(Exception exception) => exception is not OperationCanceledException;

    public void OnFatalException(object? sender = null, string? context = null, Exception? exception = null)
    {
        if (Interlocked.Exchange(ref _ending, 1) != 0)
            return;
        error.WriteLine(context?.Contains("told I am dead", StringComparison.Ordinal) == true
            ? "error: the cluster declared this silo dead because it did not answer probes in time, so it ends. "
                + "Start it again. If this happens to healthy silos, use a longer --probe-timeout-ms or more --missed-probes."
            : $"error: this silo cannot continue and ends: {exception?.Message ?? context ?? "no reason was given"}");
        error.Flush();
        // On another thread: the caller may hold a lock that the exit waits for.
        _ = ThreadPool.UnsafeQueueUserWorkItem(_ => Environment.Exit(Tools.Output.ExitCode.Failure), null);
    }
}
