using System.Threading.Channels;
using OrleansPd.Client.Contracts;
using OrleansPd.Engines.Attempts;

namespace OrleansPd.Client.Routing;

/// <summary>An answer as parts in a bounded channel: a slow reader slows the engine's stream instead of filling memory.</summary>
public sealed class ChannelSink : IAnswerSink
{
    private readonly Channel<AnswerPart> _parts = Channel.CreateBounded<AnswerPart>(64);

    /// <summary>The parts; completes with the answer.</summary>
    public ChannelReader<AnswerPart> Parts => _parts.Reader;

    /// <summary>Runs a call with this sink, then completes the parts and disposes the body. Failures go to the reader.</summary>
    public async Task RunAsync(RequestDispatcher dispatcher, DispatchCall call, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(dispatcher);
        ArgumentNullException.ThrowIfNull(call);
        using (call.Body)
        {
            try
            {
                await dispatcher.RunAsync(call, this, cancellationToken).ConfigureAwait(false);
                _parts.Writer.TryComplete();
            }
            catch (Exception e)
            {
                _parts.Writer.TryComplete(e);
            }
        }
    }

    public async ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        await StartAsync(head, cancellationToken).ConfigureAwait(false);
        await WriteAsync(body, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask StartAsync(AnswerHead head, CancellationToken cancellationToken) =>
        _parts.Writer.WriteAsync(new AnswerPart { Status = head.Status, ContentType = head.ContentType }, cancellationToken);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        _parts.Writer.WriteAsync(new AnswerPart { Body = bytes.ToArray() }, cancellationToken);

    public ValueTask FailAsync(AnswerError error, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(error);
        return _parts.Writer.WriteAsync(new AnswerPart { Error = $"{error.Code}: {error.Message}" }, cancellationToken);
    }

    public ValueTask RefuseAsync(AnswerError error, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(error);
        var body = new ArrayBufferWriter<byte>();
        ErrorJson.Write(body, error, ErrorShape.OpenAi);
        return AnswerAsync(
            new AnswerHead(error.Status, "application/json", RetryAfter: error.RetryAfter), body.WrittenMemory,
            cancellationToken);
    }
}
