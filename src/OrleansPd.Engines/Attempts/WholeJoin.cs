namespace OrleansPd.Engines.Attempts;

/// <summary>Joins plain answers: all are held until the last has arrived.</summary>
internal sealed class WholeJoin(DispatchCall call, IAnswerSink sink, string id, int count, CancellationTokenSource stop) : IJoin
{
    private readonly ReadOnlyMemory<byte>[] _parts = new ReadOnlyMemory<byte>[count];
    private Failure? _failure;
    private AnswerHead _head;

    public IAnswerSink Part(int index) => new PartSink(this, index);

    public async ValueTask FinishAsync(CancellationToken clientGone)
    {
        if (clientGone.IsCancellationRequested)
            return;
        if (_failure is { } failure)
        {
            await (failure.Error is { } error
                ? sink.RefuseAsync(error, clientGone)
                : sink.AnswerAsync(failure.Head, failure.Body, clientGone)).ConfigureAwait(false);
            return;
        }
        using var joined = new PooledBuffer();
        var good = call.Shape.Dialect == Dialect.Generate
            ? AnswerJoiner.JoinGenerate(_parts, joined)
            : AnswerJoiner.JoinOpenAi(_parts, call.Shape.Dialect, call.Shape.Samples, id, joined);
        await (good
            ? sink.AnswerAsync(_head, joined.Written, clientGone)
            : sink.RefuseAsync(new AnswerError(
                502, "decode_malformed", "The decode engine sent an unreadable answer."), clientGone))
            .ConfigureAwait(false);
    }

    private void Fail(Failure failure)
    {
        if (Interlocked.CompareExchange(ref _failure, failure, null) is null)
            stop.Cancel();
    }

    private sealed record Failure(AnswerError? Error, AnswerHead Head, byte[] Body);

    private sealed class PartSink(WholeJoin join, int index) : IAnswerSink
    {
        private MemoryStream? _long;

        public ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
        {
            if (head.Status >= 400)
            {
                join.Fail(new Failure(null, head, body.ToArray()));
                return ValueTask.CompletedTask;
            }
            join._parts[index] = body.ToArray();
            join._head = head;
            return ValueTask.CompletedTask;
        }

        public ValueTask StartAsync(AnswerHead head, CancellationToken cancellationToken)
        {
            join._head = head;
            _long = new MemoryStream();
            return ValueTask.CompletedTask;
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            _long!.Write(bytes.Span);
            join._parts[index] = _long.GetBuffer().AsMemory(0, (int)_long.Length);
            return ValueTask.CompletedTask;
        }

        public ValueTask FailAsync(AnswerError error, CancellationToken cancellationToken) =>
            RefuseAsync(error, cancellationToken);

        public ValueTask RefuseAsync(AnswerError error, CancellationToken cancellationToken)
        {
            join.Fail(new Failure(error, default, []));
            return ValueTask.CompletedTask;
        }
    }
}
