"""The face-verification application (券面事項確認AP): what the face prints, signed, for whoever sees the face."""
