namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Joins event streams: events are relayed as they arrive, each with its part's index and the common id; the parts' end markers
/// and usage chunks are held back, and one of each is sent at the end.
/// </summary>
internal sealed class StreamJoin(DispatchCall call, IAnswerSink sink, string id, CancellationTokenSource stop) : IJoin
{
    // One writer at a time; so a slow client slows down all parts.
    private readonly SemaphoreSlim _writing = new(1, 1);
    private Failure? _failure;
    private bool _started;
    private byte[]? _usageChunk;
    private Usage _usage;

    public IAnswerSink Part(int index) => new PartSink(this, index);

    public async ValueTask FinishAsync(CancellationToken clientGone)
    {
        if (clientGone.IsCancellationRequested)
            return;
        if (_failure is { } failure)
        {
            await (_started ? sink.FailAsync(failure.AsError(), clientGone)
                : failure.Error is { } error ? sink.RefuseAsync(error, clientGone)
                : sink.AnswerAsync(failure.Head, failure.Body, clientGone)).ConfigureAwait(false);
            return;
        }
        using var last = new PooledBuffer();
        if (_usageChunk is not null)
        {
            last.Write("data: "u8);
            SampleRewriter.RewriteUsage(_usageChunk, _usage, id, last);
            last.Write("\n\n"u8);
        }
        last.Write("data: [DONE]\n\n"u8);
        await sink.WriteAsync(last.Written, clientGone).ConfigureAwait(false);
    }

    private void Fail(Failure failure)
    {
        if (Interlocked.CompareExchange(ref _failure, failure, null) is null)
            stop.Cancel();
    }

    private void Count(int index, in Usage usage, byte[] chunk)
    {
        // The prompt is counted once for all its samples.
        var first = index % call.Shape.Samples == 0;
        _usage = new Usage(
            _usage.PromptTokens + (first ? usage.PromptTokens : 0),
            _usage.CompletionTokens + usage.CompletionTokens,
            _usage.ReasoningTokens + usage.ReasoningTokens,
            _usage.CachedTokens + (first ? usage.CachedTokens : 0));
        _usageChunk ??= chunk;
    }

    private sealed record Failure(AnswerError? Error, AnswerHead Head, byte[] Body)
    {
        public AnswerError AsError() => Error ?? new AnswerError(Head.Status, "engine_error", Message(), Head.RetryAfter);

        private string Message() => ErrorBody.Extract(Body) is { } message && !string.IsNullOrWhiteSpace(message)
            ? message : $"The engine answered with status {Head.Status} and no message.";
    }

    private sealed class PartSink(StreamJoin join, int index) : IAnswerSink
    {
        private readonly PooledBuffer _out = new();

        public ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
        {
            // A plain answer to a request for a stream: an error, or an engine that does not stream.
            join.Fail(head.Status >= 400
                ? new Failure(null, head, body.ToArray())
                : new Failure(new AnswerError(
                    502, "decode_malformed", "The decode engine did not answer with a stream."), default, []));
            return ValueTask.CompletedTask;
        }

        public async ValueTask StartAsync(AnswerHead head, CancellationToken cancellationToken)
        {
            await join._writing.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                if (!join._started)
                {
                    join._started = true;
                    await join.StartOutAsync(head, cancellationToken).ConfigureAwait(false);
                }
            }
            finally
            {
                join._writing.Release();
            }
        }

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            await join._writing.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                _out.Clear();
                Rewrite(bytes.Span);
                if (_out.Length > 0)
                    await join.WriteOutAsync(_out.Written, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                join._writing.Release();
            }
        }

        public ValueTask FailAsync(AnswerError error, CancellationToken cancellationToken) =>
            RefuseAsync(error, cancellationToken);

        public ValueTask RefuseAsync(AnswerError error, CancellationToken cancellationToken)
        {
            join.Fail(new Failure(error, default, []));
            return ValueTask.CompletedTask;
        }

        private void Rewrite(ReadOnlySpan<byte> events)
        {
            using var framer = new SseFramer();
            var dialect = join.Dialect;
            while (framer.Read(ref events, out var e) == SseReadResult.Event)
            {
                if (e.IsDone)
                    continue;
                if (dialect != Dialect.Generate && EventClassifier.Classify(e.Data, dialect).Kind == EventKind.Usage
                    && SampleRewriter.TryReadUsage(e.Data, dialect, out var usage))
                {
                    join.Count(index, usage, e.Data.ToArray());
                    continue;
                }
                var before = _out.Length;
                _out.Write("data: "u8);
                if (SampleRewriter.Rewrite(e.Data, dialect, index, join.Id, _out))
                {
                    _out.Write("\n\n"u8);
                    continue;
                }
                _out.Truncate(before);
                _out.Write(e.Raw);
            }
        }
    }

    private string Id => id;
    private Dialect Dialect => call.Shape.Dialect;

    private ValueTask StartOutAsync(AnswerHead head, CancellationToken cancellationToken) =>
        sink.StartAsync(head, cancellationToken);

    private ValueTask WriteOutAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        sink.WriteAsync(bytes, cancellationToken);
}
