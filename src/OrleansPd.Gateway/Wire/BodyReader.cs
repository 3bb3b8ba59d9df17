using System.Runtime.InteropServices;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Transport;

namespace OrleansPd.Gateway.Wire;

/// <summary>Reads a request's body once, as bytes, into pooled memory.</summary>
internal static class BodyReader
{
    private const int FirstSize = 16 * 1024;

    /// <summary>For a shorter rest of a body, copying costs no more than receiving into the target buffer.</summary>
    private const int MinDirectBytes = 8 * 1024;

    /// <returns>Null when the body is larger than allowed.</returns>
    public static async ValueTask<SharedBody?> ReadAsync(HttpRequest request, long maxBytes, CancellationToken cancellationToken)
    {
        if (request.ContentLength > maxBytes)
            return null;
        var reader = request.BodyReader;
        var buffer = ArrayPool<byte>.Shared.Rent((int)(request.ContentLength ?? FirstSize));
        var length = 0;
        IBodyTarget? target = null;
        try
        {
            while (true)
            {
                if (length > 0 && request.ContentLength - length >= MinDirectBytes && !request.IsHttps)
                {
                    // The transport receives the rest directly into this buffer. Not with TLS: its bytes are encrypted.
                    target ??= request.HttpContext.Features.Get<IBodyTarget>();
                    target?.ReceiveInto(buffer.AsMemory(length, (int)request.ContentLength!.Value - length));
                }
                var read = await reader.ReadAsync(cancellationToken);
                var part = read.Buffer;
                var needed = length + part.Length;
                if (needed > maxBytes)
                {
                    reader.AdvanceTo(part.End);
                    return null;
                }
                if (needed > buffer.Length)
                {
                    var larger = ArrayPool<byte>.Shared.Rent(
                        (int)Math.Min(Math.Max(buffer.Length * 2L, needed), Array.MaxLength));
                    buffer.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }
                if (target is null || !IsInPlace(part, buffer, length))
                    part.CopyTo(buffer.AsSpan(length));
                length = (int)needed;
                reader.AdvanceTo(part.End);
                if (read.IsCompleted)
                {
                    var body = new SharedBody(buffer, length);
                    buffer = null;
                    return body;
                }
            }
        }
        finally
        {
            target?.ReceiveInto(default);
            if (buffer is not null)
                ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static bool IsInPlace(in ReadOnlySequence<byte> part, byte[] buffer, int at) =>
        part.IsSingleSegment && MemoryMarshal.TryGetArray(part.First, out var array) && array.Array == buffer
            && array.Offset == at;
}
