using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Gateway.Wire;

/// <summary>A client's HTTP response as the place where an answer goes.</summary>
internal sealed class HttpAnswerSink(HttpContext context, Dialect dialect, TimeProvider clock) : IAnswerSink
{
    private readonly HttpResponse _response = context.Response;

    /// <summary>When the first byte of an answer was written; 0 = not yet.</summary>
    public long FirstByteAt { get; private set; }

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
            // nginx in front of us would otherwise gather events.
            _response.Headers["X-Accel-Buffering"] = "no";
        }
        return ValueTask.CompletedTask;
    }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        var written = _response.BodyWriter.WriteAsync(bytes, cancellationToken);
        if (!written.IsCompletedSuccessfully)
        {
            return WrittenAsync(written);
        }
        _ = written.Result;
        return ValueTask.CompletedTask;
    }

    private static async ValueTask WrittenAsync(ValueTask<FlushResult> written) => await written;

    public async ValueTask FailAsync(AnswerError error, CancellationToken cancellationToken)
    {
        if (_response.ContentType?.StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase) != true)
        {
            // Half of a plain body is out: only a broken connection tells the client that it is not whole.
            context.Abort();
            return;
        }
        var output = _response.BodyWriter;
        output.Write("data: "u8);
        ErrorJson.Write(output, error, dialect, inStream: true);
        output.Write("\n\ndata: [DONE]\n\n"u8);
        await output.FlushAsync(cancellationToken);
    }

    public async ValueTask RefuseAsync(AnswerError error, CancellationToken cancellationToken)
    {
        if (_response.HasStarted)
        {
            // Part of another answer is out: only a broken connection tells the client that it is not whole.
            context.Abort();
            return;
        }
        Begin(new AnswerHead(error.Status, "application/json", RetryAfter: error.RetryAfter));
        _response.Headers["x-router-error-code"] = error.Code;
        ErrorJson.Write(_response.BodyWriter, error, dialect, inStream: false);
        await _response.BodyWriter.FlushAsync(cancellationToken);
    }

    private void Begin(AnswerHead head)
    {
        FirstByteAt = clock.GetTimestamp();
        Status = head.Status;
        _response.StatusCode = head.Status;
        _response.ContentType = head.ContentType;
        if (head.RetryAfter is { } wait)
        {
            _response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds))
                .ToString(CultureInfo.InvariantCulture);
        }
    }
}
