using System.IO.Pipelines;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Gateway.Wire;

/// <summary>Writes an answer to a client's HTTP response.</summary>
internal sealed class HttpAnswerSink(HttpContext context, Dialect dialect) : IAnswerSink
{
    private readonly HttpResponse _response = context.Response;

    /// <summary>Status that the client was sent; 0 = none yet.</summary>
    public int Status { get; private set; }

    public ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        Begin(head);
        _response.ContentLength = body.Length;
        return WriteAsync(body, cancellationToken);
    }

    public ValueTask StartAsync(AnswerHead head, CancellationToken cancellationToken)
    {
        Begin(head);
        if (head.IsEventStream)
        {
            _response.Headers.CacheControl = "no-cache";
            // An nginx in front of us would otherwise buffer events.
            _response.Headers["X-Accel-Buffering"] = "no";
        }
        return ValueTask.CompletedTask;
    }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        var written = _response.BodyWriter.WriteAsync(bytes, cancellationToken);
        if (!written.IsCompletedSuccessfully)
            return WrittenAsync(written);
        _ = written.Result;
        return ValueTask.CompletedTask;
    }

    private static async ValueTask WrittenAsync(ValueTask<FlushResult> written) => await written;

    public async ValueTask FailAsync(AnswerError error, CancellationToken cancellationToken)
    {
        if (_response.ContentType?.StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase) != true)
        {
            // Half of a plain body is sent: only a broken connection tells the client that it is incomplete.
            context.Abort();
            return;
        }
        var output = _response.BodyWriter;
        output.Write("data: "u8);
        ErrorJson.Write(output, error, ErrorShape.Native);
        output.Write("\n\ndata: [DONE]\n\n"u8);
        await output.FlushAsync(cancellationToken);
    }

    public ValueTask RefuseAsync(AnswerError error, CancellationToken cancellationToken)
    {
        if (_response.HasStarted)
        {
            // Part of another answer is sent: only a broken connection tells the client that it is incomplete.
            context.Abort();
            return ValueTask.CompletedTask;
        }
        Status = error.Status;
        return new(ErrorResponse.WriteAsync(context, error, ErrorJson.ShapeOf(dialect), cancellationToken));
    }

    private void Begin(AnswerHead head)
    {
        Status = head.Status;
        _response.StatusCode = head.Status;
        _response.ContentType = head.ContentType;
        ErrorResponse.SetRetryAfter(_response, head.RetryAfter);
    }
}
