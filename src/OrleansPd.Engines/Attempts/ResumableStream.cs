namespace OrleansPd.Engines.Attempts;

/// <summary>
/// A call whose stream can be continued on another pair: what the client has received, and the bodies of the continuations, which
/// it owns. A prefill leg that still sends one of them holds it.
/// </summary>
internal sealed class ResumableStream : IDisposable
{
    private readonly DispatchCall _first;
    private readonly List<SharedBody> _bodies = [];

    private ResumableStream(DispatchCall call)
    {
        Journal = new(call.Shape.Dialect, call.Shape.IncludeUsage, call.Shape.ContinuousUsage);
        Current = _first = ResumeBody.First(call);
        if (!ReferenceEquals(_first.Body, call.Body))
            _bodies.Add(_first.Body);
    }

    public StreamJournal Journal { get; }
    public DispatchCall Current { get; private set; }

    /// <returns>Null where resuming is off or the request cannot be resumed.</returns>
    public static ResumableStream? For(DispatchCall call, DispatchOptions options) =>
        options.ResumeStreams && !call.IsOpaque && Resumable.Is(call.Body.Memory.Span, call.Shape) ? new(call) : null;

    /// <summary>Makes <see cref="Current"/> the request that continues after what the client has received.</summary>
    /// <returns>False where nothing is left to generate, or the body cannot be written with the same meaning.</returns>
    public bool TryContinue()
    {
        Journal.NextAttempt();
        if (ResumeBody.Next(_first, Journal) is not { } next)
            return false;
        _bodies.Add(next.Body);
        Current = next;
        return true;
    }

    public void Dispose()
    {
        Journal.Dispose();
        _bodies.ForEach(body => body.Dispose());
    }
}
