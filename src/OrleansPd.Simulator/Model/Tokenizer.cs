namespace OrleansPd.Simulator.Model;

/// <summary>
/// Cuts text at every space and, inside a piece, at every eighth byte. Output of the model always begins with a space, so
/// <c>Tokens(prompt + output)</c> is <c>Tokens(prompt)</c> followed by the tokens of the output.
/// </summary>
internal static class Tokenizer
{
    private const int PieceBytes = 8;

    public static int[] Tokens(string text)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        try
        {
            return Tokens(buffer.AsSpan(0, Encoding.UTF8.GetBytes(text, buffer)));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public static int[] Tokens(ReadOnlySpan<byte> text)
    {
        var tokens = new List<int>(text.Length / 5 + 4);
        var start = 0;
        while (start < text.Length)
        {
            var limit = Math.Min(PieceBytes, text.Length - start);
            var space = text.Slice(start + 1, limit - 1).IndexOf((byte)' ');
            var length = space < 0 ? limit : space + 1;
            tokens.Add(Vocabulary.IdOf(text.Slice(start, length)));
            start += length;
        }
        return [.. tokens];
    }

    public static string Text(ReadOnlySpan<int> tokens)
    {
        var text = new StringBuilder(tokens.Length * 5);
        foreach (var token in tokens)
            text.Append(Vocabulary.TextOf(token));
        return text.ToString();
    }
}
